"""Programs as pictures: what is drawn, and where. The ways in are `mixgrad.program.to_svg` and `to_dot`."""
