"""The papers' systems written a second time, from their equations, clip by clip, in float64: what tests hold the product against.

Nothing here is imported from the models. Weights come by the names that the product's ``state_dict`` gives them. A clip is a
dict: modality -> (values [T, D], present [T]). Absent frames hold zeros; they keep their places on the clock.
"""
