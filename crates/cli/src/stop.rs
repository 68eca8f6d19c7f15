//! Ctrl-C: the first one ends the command between two steps, the second one at once.

use std::cell::Cell;
use std::rc::Rc;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Whether the command is to end.
pub(crate) struct Stop {
    wanted: Rc<Cell<bool>>,
    watch: Option<(Signal, Signal)>,
}

impl Stop {
    /// Listens for SIGINT and SIGTERM from now on. Where that is impossible they end the process, as they always do.
    pub(crate) fn new() -> Self {
        let watch = signal(SignalKind::interrupt()).ok().zip(signal(SignalKind::terminate()).ok());
        Self { wanted: Rc::default(), watch }
    }

    /// What tells, at any time, whether the command is to end.
    pub(crate) fn wanted(&self) -> impl Fn() -> bool + use<> {
        let wanted = Rc::clone(&self.wanted);
        move || wanted.get()
    }

    /// Does the work beside listening; `None` when a second signal ended it where it stood.
    pub(crate) async fn during<T>(mut self, work: impl Future<Output = T>) -> Option<T> {
        let Some((interrupt, terminate)) = &mut self.watch else { return Some(work.await) };
        let wanted = &self.wanted;
        let twice = async {
            for _ in 0..2 {
                // The first one is seen by the callers of `wanted`.
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
            // Signals first, so that one that has come is known before the next step.
            biased;
            () = twice => None,
            result = work => Some(result),
        }
    }
}
