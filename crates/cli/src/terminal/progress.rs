//! The progress of a command, shown on a terminal.

use std::cell::Cell;
use std::future::Future;
use std::io::{IsTerminal as _, Write as _};

/// Counts the calls, and shows the count on standard error if that is a terminal.
pub(crate) struct Progress {
    shown: bool,
    started: Cell<u32>,
    done: Cell<u32>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { shown: std::io::stderr().is_terminal(), started: Cell::new(0), done: Cell::new(0) }
    }

    /// Counts a call and returns its result.
    pub(crate) async fn of<T>(&self, call: impl Future<Output = T>) -> T {
        self.started.set(self.started.get().saturating_add(1));
        self.show();
        let result = call.await;
        self.done.set(self.done.get().saturating_add(1));
        self.show();
        result
    }

    fn show(&self) {
        if self.shown {
            // If standard error is closed, there is nowhere to report it.
            let _ =
                write!(std::io::stderr(), "\r\x1b[KAWS calls: {} of {}", self.done.get(), self.started.get());
        }
    }

    /// Removes the count from the terminal.
    pub(crate) fn finish(&self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
