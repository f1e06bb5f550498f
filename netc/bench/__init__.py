"""Where the time of a step goes: layer by layer, against what the machine could do; and what each pass saves."""
