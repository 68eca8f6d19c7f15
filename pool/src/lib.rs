//! The control plane: attaches triggers to a user pool and takes them off again, and leaves all else as it is.
