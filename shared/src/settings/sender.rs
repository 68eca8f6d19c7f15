//! The settings that both senders read.

use std::time::Duration;

use super::{Noted, Settings};
use crate::arn::KeyArn;
use crate::parameter::Variable;
use crate::policy::RecipientPolicy;
use crate::trigger::MessageKind;

/// The settings that both senders have.
#[derive(Debug)]
pub struct SenderSettings {
    /// Which codes are decrypted.
    pub codes: CodeSettings,
    /// Which email addresses get a message.
    pub recipients: RecipientPolicy,
    /// The DynamoDB table.
    pub tables: Tables,
    /// The validity of codes.
    pub validity: Validity,
}

impl SenderSettings {
    /// Reads all of them.
    ///
    /// # Errors
    /// If one of them is invalid.
    pub fn read(settings: &Settings<'_>) -> Result<Self, Noted> {
        let codes = CodeSettings::read(settings);
        let recipients = settings.recipient_policy();
        let tables = Tables::read(settings);
        let validity = Validity::read(settings);
        Ok(Self { codes: codes?, recipients: recipients?, tables: tables?, validity: validity? })
    }
}

/// Which codes are decrypted.
#[derive(Clone, Debug)]
pub struct CodeSettings {
    /// The key that Cognito encrypts codes with.
    pub key: KeyArn,
    /// Whether a message may name no user pool. Then the function decrypts and sends whatever is encrypted with the
    /// key, so this is for tests with an emulator that binds no code to its pool.
    pub allow_without_pool: bool,
}

/// The variable that allows codes without a user pool. No template parameter sets it.
pub const ALLOW_CODES_WITHOUT_POOL: &str = "ALLOW_CODES_WITHOUT_POOL";

impl CodeSettings {
    /// Reads `CODE_KEY_ARN` and [`ALLOW_CODES_WITHOUT_POOL`].
    ///
    /// # Errors
    /// If one of them is invalid.
    pub fn read(settings: &Settings<'_>) -> Result<Self, Noted> {
        let key = settings.required("CODE_KEY_ARN", str::parse::<KeyArn>);
        let allow_without_pool = settings.flag(ALLOW_CODES_WITHOUT_POOL, false);
        Ok(Self { key: key?, allow_without_pool: allow_without_pool? })
    }
}

/// The DynamoDB table of a deployment, by its use.
#[derive(Clone, Debug)]
pub struct Tables {
    /// For delivery records, unless they are switched off.
    pub records: Option<String>,
    /// For the counters of the SMS limits, which can't be switched off.
    pub counters: Option<String>,
}

impl Tables {
    /// Reads `DELIVERY_TABLE` and `DELIVERY_RECORDS`.
    ///
    /// # Errors
    /// If one of them is invalid, or records are switched on without a table.
    pub fn read(settings: &Settings<'_>) -> Result<Self, Noted> {
        const TABLE: &str = "DELIVERY_TABLE";
        const RECORDS: &str = "DELIVERY_RECORDS";
        let table = settings.optional(TABLE, |text| {
            let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
            if (3..=255).contains(&text.len()) && text.bytes().all(valid) {
                Ok(text.to_owned())
            } else {
                Err("must be the name of a DynamoDB table: 3 to 255 letters, digits, `_`, `.` and `-`")
            }
        });
        let wanted = settings.flag(RECORDS, matches!(table, Ok(Some(_))));
        let (table, wanted) = (table?, wanted?);
        if wanted && table.is_none() {
            return Err(settings.problem(RECORDS, format!("is `true`, but {} is not set", Variable(TABLE))));
        }
        Ok(Self { records: table.clone().filter(|_| wanted), counters: table })
    }
}

/// The validity of codes.
#[derive(Clone, Copy, Debug)]
pub struct Validity {
    sign_in: Duration,
}

impl Validity {
    /// Reads `SIGN_IN_CODE_MINUTES`.
    ///
    /// A sign-in code is valid as long as its session, which the app client sets to 3 to 15 minutes. The event doesn't
    /// contain the number, so the default is the longest.
    /// Source: "Quotas in Amazon Cognito", Amazon Cognito developer guide.
    ///
    /// # Errors
    /// If it is not such a number.
    pub fn read(settings: &Settings<'_>) -> Result<Self, Noted> {
        let minutes = settings.optional("SIGN_IN_CODE_MINUTES", |text| match text.parse() {
            Ok(minutes @ 3..=15) => Ok(minutes),
            _ => Err("must be a number of minutes from 3 to 15"),
        });
        Ok(Self { sign_in: Duration::from_mins(minutes?.unwrap_or(15)) })
    }

    /// How long the code in a message of this kind is valid at most. `None` if a setting of the user pool decides.
    #[must_use]
    pub fn of(self, kind: MessageKind) -> Option<Duration> {
        if kind == MessageKind::Authentication { Some(self.sign_in) } else { kind.validity() }
    }
}
