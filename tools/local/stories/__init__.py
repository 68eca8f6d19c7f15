"""What the demo plays: each story is a function of the stage."""
