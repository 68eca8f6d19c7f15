//! A custom sender with the services that it can't work without: KMS, and the service that it sends through.

use serde_json::{Value, json};

use crate::function::{Function, Invocation};
use crate::kms::{KEY_ARN, Kms};
use crate::service::{Protocol, Service};

/// The function and the services that it calls.
pub struct Sender<P: Protocol> {
    /// Decrypts the codes.
    pub kms: Kms,
    /// Sends the messages.
    pub provider: Service<P>,
    /// The function.
    pub function: Function,
    summary: fn(&P::Body) -> Value,
}

impl<P: Protocol> Sender<P> {
    /// Starts the function of that name. [`play`](Self::play) shows the `summary` of each message.
    #[must_use]
    pub fn start(
        name: &str,
        provider: Service<P>,
        settings: &[(&str, &str)],
        summary: fn(&P::Body) -> Value,
    ) -> Self {
        let kms = Kms::start(KEY_ARN, None);
        let function = Function::start(name, &[&[kms.endpoint(), provider.endpoint()], settings].concat());
        Self { kms, provider, function, summary }
    }

    /// Invokes the function, and returns how the invocation ended (`ends`) and what it sent (`sent`).
    ///
    /// # Panics
    /// If the function returns anything but the event.
    pub async fn play(&self, event: &Value) -> Value {
        self.provider.clear();
        let ending = match self.function.invoke(event.to_string()).await {
            answer @ Invocation::Ok(_) => {
                assert_eq!(&answer.json(), event, "the function returns the event unchanged");
                "well".to_owned()
            }
            Invocation::Err { error_type, error_message, .. } => format!("{error_type}: {error_message}"),
            other => format!("{other:?}"),
        };
        let sent: Vec<_> = self.provider.accepted().iter().map(self.summary).collect();
        json!({ "ends": ending, "sent": sent })
    }
}
