//! A backup of the pool, written before anything is changed.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_smithy_types::date_time::{DateTime, Format};
use pool::triggers::Triggers;
use pool::user_pool::UserPool;

use crate::exit::Error;

/// The default path of a backup: `eu-central-1_Example01-2026-11-22T085500Z.json`.
pub(super) fn default_path(pool: &UserPool) -> PathBuf {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let time = DateTime::from_secs(i64::try_from(seconds).unwrap_or_default());
    let time = time.fmt(Format::DateTime).unwrap_or_default().replace(':', "");
    format!("{}-{time}.json", pool.id()).into()
}

/// Writes the output of `aws cognito-idp describe-user-pool`, and syncs it to disk.
///
/// # Errors
/// When the file already exists or cannot be written.
pub(super) fn write(path: &Path, pool: &UserPool) -> Result<(), Error> {
    let name = path.display();
    let fail =
        |error: io::Error| Error::Io(io::Error::new(error.kind(), format!("can't write {name}: {error}")));
    // Only the operator may read message templates and sender addresses.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(fail)?;
    serde_json::to_writer_pretty(&mut file, &pool.to_json()).map_err(|error| fail(error.into()))?;
    file.write_all(b"\n").and_then(|()| file.sync_all()).map_err(fail)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(fail)
}

/// The Lambda triggers in a backup.
///
/// # Errors
/// When it cannot be read, or is a backup of another pool.
pub(super) fn triggers(path: &Path, pool_id: &str) -> Result<Triggers, Error> {
    let name = path.display();
    let bytes = std::fs::read(path)
        .map_err(|error| io::Error::new(error.kind(), format!("can't read {name}: {error}")))?;
    let pool = UserPool::parse(&bytes).map_err(|error| Error::Usage(format!("{name} is {error}")))?;
    if pool.id() != pool_id {
        return Err(Error::Usage(format!("{name} is a backup of {}, not of {pool_id}", pool.id())));
    }
    Ok(pool.triggers())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_named_after_pool_and_time() {
        let pool = br#"{"UserPool":{"Id":"eu-central-1_Example01","Arn":"arn:aws:cognito-idp:eu-central-1:1:userpool/x"}}"#;
        let path = default_path(&UserPool::parse(pool).unwrap());
        let name = path.to_str().unwrap().strip_prefix("eu-central-1_Example01-").unwrap();
        assert_eq!(name.len(), "2026-11-22T085500Z.json".len(), "{name}");
        assert!(name.starts_with("20") && name.ends_with("Z.json") && !name.contains(':'), "{name}");
    }
}
