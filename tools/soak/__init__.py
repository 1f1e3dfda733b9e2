"""`make soak`: the whole service under load, with everything that can die dying at random, and an audit at the end."""
