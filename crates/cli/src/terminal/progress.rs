//! How far a command is, on a terminal.

use std::cell::Cell;
use std::future::Future;
use std::io::{IsTerminal as _, Write as _};

/// Counts calls that are under way; shows the count on standard error where that is a terminal.
pub(crate) struct Progress {
    shown: bool,
    started: Cell<u32>,
    done: Cell<u32>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        Self { shown: std::io::stderr().is_terminal(), started: Cell::new(0), done: Cell::new(0) }
    }

    /// The result of a call, which is counted.
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
            // There is nowhere left to say that standard error is gone.
            let _ = write!(
                std::io::stderr(),
                "\r\x1b[Kasking AWS: {} of {}",
                self.done.get(),
                self.started.get()
            );
        }
    }

    /// Takes the count off the terminal again.
    pub(crate) fn finish(&self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
