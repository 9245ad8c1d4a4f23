"""`postroom demo`: a workspace full of made-up mail, written by the same functions as real mail, with old clocks."""
