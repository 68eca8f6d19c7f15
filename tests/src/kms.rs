//! A mock of KMS: `Decrypt` in AWS JSON 1.1.
//!
//! <https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::http::{Request, Response};
use crate::service::{Protocol, Refusal, Service};
use crate::tls::Tls;

/// The key of all fixtures.
pub const KEY_ARN: &str = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555";

/// What a wrapped data key starts with: the rest of the blob is the data key itself.
const WRAPPED: &[u8] = b"test-kms:";

/// A mock of KMS that holds one key.
///
/// The body of a call is the request's JSON: `CiphertextBlob`, `EncryptionContext`, `KeyId`.
pub type Kms = Service<Decrypt>;

/// The protocol of [`Kms`].
pub struct Decrypt {
    key_arn: String,
}

impl Service<Decrypt> {
    /// Listens, with TLS if there is a certificate authority, and knows only the key with that ARN.
    #[must_use]
    pub fn start(key_arn: &str, tls: Option<&Tls>) -> Self {
        Self::serve(Decrypt { key_arn: key_arn.to_owned() }, tls)
    }

    /// A data key as every key of this mock encrypts it.
    #[must_use]
    pub fn wrap(data_key: &[u8; 32]) -> Vec<u8> {
        [WRAPPED, data_key].concat()
    }

    /// The data key in what [`wrap`](Self::wrap) made, or none.
    #[must_use]
    pub fn unwrap(blob: &[u8]) -> Option<&[u8]> {
        blob.strip_prefix(WRAPPED).filter(|data_key| data_key.len() == 32)
    }
}

impl Protocol for Decrypt {
    type Body = Value;

    const SIGNING_NAME: &'static str = "kms";
    const ENDPOINT_VARIABLE: &'static str = "AWS_ENDPOINT_URL_KMS";

    fn parse(&self, request: &Request) -> Result<Value, Refusal> {
        let target = request.header("x-amz-target").unwrap_or_default();
        if (request.method.as_str(), request.target.as_str(), target) != ("POST", "/", "TrentService.Decrypt")
        {
            return Err(Refusal::new(400, "UnknownOperationException", "only TrentService.Decrypt is known"));
        }
        serde_json::from_slice(&request.body)
            .map_err(|error| Refusal::new(400, "SerializationException", error.to_string()))
    }

    fn accept(&self, body: &Value, _: usize) -> Result<Response, Refusal> {
        // Without a KeyId the real service takes the key from the ciphertext; the senders must always pin theirs.
        if body.get("KeyId").and_then(Value::as_str) != Some(&self.key_arn) {
            return Err(Refusal::new(
                400,
                "IncorrectKeyException",
                "the KeyId is not that of the ciphertext's key",
            ));
        }
        let blob =
            body.get("CiphertextBlob").and_then(Value::as_str).and_then(|blob| STANDARD.decode(blob).ok());
        let blob = blob.unwrap_or_default();
        let data_key =
            Kms::unwrap(&blob).ok_or_else(|| Refusal::new(400, "InvalidCiphertextException", ""))?;
        let answer = json!({
            "KeyId": self.key_arn,
            "Plaintext": STANDARD.encode(data_key),
            "EncryptionAlgorithm": "SYMMETRIC_DEFAULT",
        });
        Ok(Response::new(200, "application/x-amz-json-1.1", answer.to_string()))
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        let body = json!({ "__type": refusal.code, "message": refusal.message });
        Response::new(refusal.status, "application/x-amz-json-1.1", body.to_string())
    }
}
