"""The same thread pools as the app's, so that tests take the time that users see."""

from hypothesis import HealthCheck, settings

from affectscope.core.threads import fit_thread_pools

fit_thread_pools()
# What these declare as they are imported would be among the models of all other tests.
collect_ignore = ["plugins"]

# Nothing is timed in tests: on a busy machine the making of examples takes longer than Hypothesis would have it.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
