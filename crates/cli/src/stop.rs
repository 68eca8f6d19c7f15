//! Ctrl-C: the first one ends the command after the current step, the second one ends it at once.

use std::cell::Cell;
use std::rc::Rc;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Whether the operator has interrupted the command.
pub(crate) struct Stop {
    wanted: Rc<Cell<bool>>,
    watch: Option<(Signal, Signal)>,
}

impl Stop {
    /// Listens for SIGINT and SIGTERM. If that fails, these signals end the process as usual.
    pub(crate) fn new() -> Self {
        let watch = signal(SignalKind::interrupt()).ok().zip(signal(SignalKind::terminate()).ok());
        Self { wanted: Rc::default(), watch }
    }

    /// Returns a function that tells whether the command should end.
    pub(crate) fn wanted(&self) -> impl Fn() -> bool + use<> {
        let wanted = Rc::clone(&self.wanted);
        move || wanted.get()
    }

    /// Runs the work while it listens for signals; `None` if a second signal ended it.
    pub(crate) async fn during<T>(mut self, work: impl Future<Output = T>) -> Option<T> {
        let Some((interrupt, terminate)) = &mut self.watch else { return Some(work.await) };
        let wanted = &self.wanted;
        let twice = async {
            for _ in 0..2 {
                // The callers of `wanted` see the first one.
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                if wanted.replace(true) {
                    return;
                }
            }
        };
        tokio::select! {
            // Signals first, so that the next step sees a signal that has arrived.
            biased;
            () = twice => None,
            result = work => Some(result),
        }
    }
}
