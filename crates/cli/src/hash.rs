//! `hash`: the keyed hash that stands for a recipient in the logs.

use clap::Args;
use serde::Serialize;
use shared::arn::region_of;
use shared::phone::PhoneNumber;
use shared::recipient::RecipientHasher;
use zeroize::Zeroizing;

use crate::aws::cloudformation::Stacks;
use crate::aws::secrets_manager;
use crate::aws::{Aws, AwsError, Kind};
use crate::common::Common;
use crate::exit::{End, Error};
use crate::terminal::input;
use crate::terminal::output::{Output, Tone};

/// The key's name in the environment and in the template.
const KEY_VARIABLE: &str = "RECIPIENT_HASH_KEY";
const KEY_RESOURCE: &str = "RecipientHashKey";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Email address or E.164 number (+12065550123) as in the user's attributes; `-` reads it from standard input,
    /// so that it isn't in the shell's history
    #[arg(value_name = "ADDRESS-OR-NUMBER")]
    recipient: String,
    #[command(flatten)]
    key: Key,
}

/// Where the key for the hash is.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Key {
    /// Reads the key from the variable `RECIPIENT_HASH_KEY`, without a call to AWS
    #[arg(long = "key-env")]
    env: bool,
    /// Reads the key from this secret in Secrets Manager (ARN or name)
    #[arg(long, value_name = "ARN")]
    secret_id: Option<String>,
    /// Reads the key of this stack
    #[arg(long, value_name = "NAME")]
    stack_name: Option<String>,
}

#[derive(Serialize)]
struct HashDocument {
    hash: String,
}

pub(crate) async fn run(
    options: Options,
    common: &Common,
    lookup: &dyn Fn(&str) -> Option<String>,
    output: &mut Output,
) -> Result<End, Error> {
    let recipient = recipient(options.recipient)?;
    let key = key(&options.key, common, lookup).await?;
    // Without surrounding white space, as the functions read the variable.
    let key = key.trim();
    if key.is_empty() {
        return Err(Error::Usage(
            "the key is empty, so each process of a function uses its own random key, and no hash can be computed"
                .to_owned(),
        ));
    }
    if !recipient.contains('@') && recipient.parse::<PhoneNumber>().is_err() {
        output.note(
            "note: this is neither an email address nor a number in E.164 format (+12065550123); the hash is \
             that of the text itself",
        );
    }
    let hash = RecipientHasher::new(key.as_bytes()).hash(&recipient).to_string();
    output.text(Tone::Plain, 0, &hash)?;
    output.json(&HashDocument { hash })?;
    Ok(End::Done)
}

/// The recipient, from standard input if the argument says so.
pub(crate) fn recipient(argument: String) -> Result<String, Error> {
    let text = input::argument(argument)?;
    if text.is_empty() || text.contains('\n') {
        return Err(Error::Usage("enter one address or number".to_owned()));
    }
    Ok(text)
}

async fn key(
    key: &Key,
    common: &Common,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<Zeroizing<String>, Error> {
    if key.env {
        let text = lookup(KEY_VARIABLE).map(Zeroizing::new);
        return text.ok_or_else(|| Error::Usage(format!("{KEY_VARIABLE} is not set")));
    }
    let region = key.secret_id.as_deref().and_then(region_of);
    let aws = Aws::load(common, region).await?;
    let secret_id = match (&key.secret_id, &key.stack_name) {
        (Some(secret_id), _) => secret_id.clone(),
        (None, Some(stack)) => Stacks::new(&aws).physical_id(stack, KEY_RESOURCE).await?,
        (None, None) => {
            return Err(AwsError::new(Kind::Other, "set --key-env, --secret-id or --stack-name").into());
        }
    };
    Ok(secrets_manager::text(&aws, &secret_id).await?)
}
