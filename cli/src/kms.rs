//! KMS: data keys under the key that codes are encrypted with.

use aws_sdk_kms::config::{Builder, Region};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use zeroize::Zeroizing;

use crate::aws::{Aws, AwsError, Call, Kind, region_of};

/// KMS in the Region of one key.
pub(crate) struct Keys {
    client: aws_sdk_kms::Client,
    region: String,
}

/// A fresh data key, in clear and encrypted.
pub(crate) struct DataKey {
    pub(crate) plaintext: Zeroizing<[u8; 32]>,
    pub(crate) ciphertext: Vec<u8>,
    /// The ARN of the key that it is encrypted under, whatever name that was asked by.
    pub(crate) key_arn: String,
}

impl Keys {
    /// The client for a key: in the Region of its ARN, and at the endpoint where one is given.
    pub(crate) fn of(key: &str, aws: &Aws, endpoint: Option<&str>) -> Self {
        let region = region_of(key).unwrap_or(aws.region()).to_owned();
        let mut builder = Builder::from(aws.config()).region(Region::new(region.clone()));
        if let Some(endpoint) = endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        Self { client: aws_sdk_kms::Client::from_conf(builder.build()), region }
    }

    /// A data key of 256 bits, encrypted under that key and this context.
    ///
    /// Source: <https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKey.html>
    ///
    /// # Errors
    /// When KMS does not give one.
    pub(crate) async fn generate_data_key(
        &self,
        key: &str,
        context: &[(&str, &str)],
    ) -> Result<DataKey, AwsError> {
        let call =
            Call { service: "KMS", action: "kms:GenerateDataKey", region: &self.region, quotes: false };
        let context = context.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let answer = self
            .client
            .generate_data_key()
            .key_id(key)
            .key_spec(DataKeySpec::Aes256)
            .set_encryption_context(Some(context))
            .send()
            .await
            .map_err(|error| call.failure(&error))?;
        let plaintext = Zeroizing::new(answer.plaintext.map(Blob::into_inner).unwrap_or_default());
        let plaintext = <[u8; 32]>::try_from(plaintext.as_slice()).map_err(|_| {
            AwsError::new(Kind::Other, "KMS gave a data key of another size than it was asked for")
        })?;
        Ok(DataKey {
            plaintext: Zeroizing::new(plaintext),
            ciphertext: answer.ciphertext_blob.map(Blob::into_inner).unwrap_or_default(),
            key_arn: answer.key_id.unwrap_or_else(|| key.to_owned()),
        })
    }
}
