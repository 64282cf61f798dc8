"""From rows to what they say: estimates, contrasts, claims and figures."""
