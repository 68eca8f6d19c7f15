//! The names in the account.

/// The Region of everything.
pub const REGION: &str = crate::function::REGION;
/// The account of everything.
pub const ACCOUNT: &str = "123456789012";
/// The stack of the bundle.
pub const STACK: &str = "triggers";
/// The user pool.
pub const POOL: &str = "eu-central-1_Example01";
/// The ARN of the user pool.
pub const POOL_ARN: &str = "arn:aws:cognito-idp:eu-central-1:123456789012:userpool/eu-central-1_Example01";
/// The app client, which has a secret.
pub const CLIENT: &str = "1example23456789";
/// The email address of the one user: confirmed, enabled, both contacts verified.
pub const USER: &str = "ann@example.com";
/// The username of that user, which is the `sub` because email is the sign-in attribute of the pool.
pub const SUB: &str = "3f2a1b0c-4d5e-4f60-8a7b-9c0d1e2f3a4b";
/// The phone number of that user.
pub const PHONE: &str = "+12065550123";
/// The key of the codes.
pub const KEY_ARN: &str = crate::kms::KEY_ARN;
/// The trigger that decides on sign-ups.
pub const PRE_SIGN_UP: &str =
    "arn:aws:lambda:eu-central-1:123456789012:function:triggers-PreSignUpFunction-QSSKB6V7RTAZ";
/// The trigger that writes the messages that Cognito sends; in this stack it is attached to nothing.
pub const CUSTOM_MESSAGE: &str =
    "arn:aws:lambda:eu-central-1:123456789012:function:triggers-CustomMessageFunction-NCKWTKXXSJ7P";
/// The trigger that sends emails.
pub const CUSTOM_EMAIL_SENDER: &str =
    "arn:aws:lambda:eu-central-1:123456789012:function:triggers-CustomEmailSenderFunction-R4O52R7GHQ2X";
/// The trigger that sends SMS.
pub const CUSTOM_SMS_SENDER: &str =
    "arn:aws:lambda:eu-central-1:123456789012:function:triggers-CustomSmsSenderFunction-C5PLVDJNIOJO";
/// The queue of the events that failed.
pub const QUEUE_URL: &str =
    "https://sqs.eu-central-1.amazonaws.com/123456789012/triggers-OnFailureQueue-WHC3FLAORYPX";
/// The From address of the emails; the identity is `shop.example`.
pub const SENDER: &str = "no-reply@shop.example";
/// The key of the recipient hashes, in the environment of the functions.
pub const RECIPIENT_HASH_KEY: &str = "a key for tests";
