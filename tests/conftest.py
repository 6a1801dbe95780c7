"""The same thread pools as the app's, so that tests take the time that users see."""

from affectscope.core.threads import fit_thread_pools

fit_thread_pools()
# What these declare as they are imported would be among the models of all other tests.
collect_ignore = ["plugins"]
