//! KMS: the state, policy and grants of a key, and data keys.

use std::collections::BTreeMap;

use aws_sdk_kms::config::{Builder, Region};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use shared::arn::region_of;
use zeroize::Zeroizing;

use crate::aws::{Aws, AwsError, Call, Kind};

/// The keys of one Region.
pub(crate) struct Keys {
    client: aws_sdk_kms::Client,
    region: String,
}

/// A key.
///
/// Source: <https://docs.aws.amazon.com/kms/latest/APIReference/API_KeyMetadata.html>
#[derive(Clone, Debug, Default)]
pub(crate) struct Key {
    /// The ARN of the key itself, also if the request names an alias.
    pub(crate) arn: String,
    /// `Enabled`, `Disabled`, `PendingDeletion`, `PendingImport`, `Unavailable`, …
    pub(crate) state: String,
    /// `SYMMETRIC_DEFAULT`, …
    pub(crate) spec: String,
    /// `ENCRYPT_DECRYPT`, …
    pub(crate) usage: String,
    /// Whether it is one of several keys with the same material in several Regions.
    pub(crate) multi_region: bool,
}

/// A grant: a permission on a key outside of its policy.
///
/// Source: <https://docs.aws.amazon.com/kms/latest/APIReference/API_GrantListEntry.html>
#[derive(Clone, Debug, Default)]
pub(crate) struct Grant {
    /// The grantee: an ARN, or the name of a service.
    pub(crate) grantees: Vec<String>,
    /// `Decrypt`, `GenerateDataKey`, …
    pub(crate) operations: Vec<String>,
    /// What the encryption context must hold or be; empty without such a constraint.
    pub(crate) context: BTreeMap<String, String>,
    /// For which resource the service may use it.
    pub(crate) source_arn: Option<String>,
}

impl Keys {
    pub(crate) fn new(aws: &Aws) -> Self {
        Self { client: aws_sdk_kms::Client::new(aws.config()), region: aws.region().to_owned() }
    }

    fn call(&self, action: &'static str) -> Call<'_> {
        Call { service: "KMS", action, region: &self.region, quotes: false }
    }

    /// Describes a key, by its ARN or that of an alias.
    ///
    /// # Errors
    /// If there is no such key ([`Kind::NotFound`]), or if the call fails.
    pub(crate) async fn describe(&self, key_arn: &str) -> Result<Key, AwsError> {
        let answer = self.client.describe_key().key_id(key_arn).send().await.map_err(|error| {
            let failure = self.call("kms:DescribeKey").failure(&error);
            match error.as_service_error() {
                Some(error) if error.is_not_found_exception() => AwsError::new(Kind::NotFound, failure.text),
                _ => failure,
            }
        })?;
        let Some(key) = answer.key_metadata else { return Ok(Key::default()) };
        Ok(Key {
            arn: key.arn.unwrap_or_default(),
            state: key.key_state.map(|state| state.to_string()).unwrap_or_default(),
            spec: key.key_spec.map(|spec| spec.to_string()).unwrap_or_default(),
            usage: key.key_usage.map(|usage| usage.to_string()).unwrap_or_default(),
            multi_region: key.multi_region.unwrap_or_default(),
        })
    }

    /// The grants of a key, by the key's own ARN: all of them, page by page.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn grants(&self, key_arn: &str) -> Result<Vec<Grant>, AwsError> {
        let mut pages = self.client.list_grants().key_id(key_arn).into_paginator().items().send();
        let mut grants = Vec::new();
        while let Some(grant) = pages.next().await {
            let grant = grant.map_err(|error| self.call("kms:ListGrants").failure(&error))?;
            let constraints = grant.constraints;
            let source_arn = constraints.as_ref().and_then(|constraints| constraints.source_arn.clone());
            let contexts = constraints.map(|constraints| {
                [constraints.encryption_context_subset, constraints.encryption_context_equals]
            });
            grants.push(Grant {
                grantees: [grant.grantee_service_principal, grant.grantee_principal]
                    .into_iter()
                    .flatten()
                    .collect(),
                operations: grant.operations.unwrap_or_default().iter().map(ToString::to_string).collect(),
                context: contexts.into_iter().flatten().flatten().flatten().collect(),
                source_arn,
            });
        }
        Ok(grants)
    }

    /// The key policy, a JSON document, by the key's own ARN.
    ///
    /// # Errors
    /// If the call fails.
    pub(crate) async fn policy(&self, key_arn: &str) -> Result<String, AwsError> {
        let answer = self.client.get_key_policy().key_id(key_arn).send().await;
        let answer = answer.map_err(|error| self.call("kms:GetKeyPolicy").failure(&error))?;
        Ok(answer.policy.unwrap_or_default())
    }
}

/// A fresh data key, in clear and encrypted.
pub(crate) struct DataKey {
    pub(crate) plaintext: Zeroizing<[u8; 32]>,
    pub(crate) ciphertext: Vec<u8>,
    /// The ARN of the key that encrypts it, also if the request names an alias.
    pub(crate) key_arn: String,
}

impl Keys {
    /// The client for a key: in the Region of its ARN, and with the endpoint if one is set.
    pub(crate) fn of(key: &str, aws: &Aws, endpoint: Option<&str>) -> Self {
        let region = region_of(key).unwrap_or(aws.region()).to_owned();
        let mut builder = Builder::from(aws.config()).region(Region::new(region.clone()));
        if let Some(endpoint) = endpoint {
            builder = builder.endpoint_url(endpoint);
        }
        Self { client: aws_sdk_kms::Client::from_conf(builder.build()), region }
    }

    /// A data key of 256 bits, encrypted with this key and context.
    ///
    /// Source: <https://docs.aws.amazon.com/kms/latest/APIReference/API_GenerateDataKey.html>
    ///
    /// # Errors
    /// If the call fails.
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
            AwsError::new(Kind::Other, "KMS returned a data key of a size that was not requested")
        })?;
        Ok(DataKey {
            plaintext: Zeroizing::new(plaintext),
            ciphertext: answer.ciphertext_blob.map(Blob::into_inner).unwrap_or_default(),
            key_arn: answer.key_id.unwrap_or_else(|| key.to_owned()),
        })
    }
}

// Changes to a key, if the operator agrees.

/// Enables a key.
///
/// # Errors
/// If the call fails.
pub(crate) async fn enable_key(aws: &Aws, key_arn: &str) -> Result<(), AwsError> {
    let call = Call { service: "KMS", action: "kms:EnableKey", region: aws.region(), quotes: false };
    let answer = aws_sdk_kms::Client::new(aws.config()).enable_key().key_id(key_arn).send().await;
    answer.map(drop).map_err(|error| call.failure(&error))
}

/// Cancels the deletion of a key, which is disabled afterwards.
///
/// # Errors
/// If the call fails.
pub(crate) async fn cancel_key_deletion(aws: &Aws, key_arn: &str) -> Result<(), AwsError> {
    let call = Call { service: "KMS", action: "kms:CancelKeyDeletion", region: aws.region(), quotes: false };
    let answer = aws_sdk_kms::Client::new(aws.config()).cancel_key_deletion().key_id(key_arn).send().await;
    answer.map(drop).map_err(|error| call.failure(&error))
}
