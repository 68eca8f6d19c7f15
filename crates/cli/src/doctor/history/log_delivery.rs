//! Whether Cognito logs the messages that it couldn't deliver itself.

use pool::user_pool::UserPool;
use shared::arn::{Arn, region_of};

use crate::aws::cognito::{LogDelivery, Pools};
use crate::doctor::finding::Finding;
use crate::doctor::level::Level;
use crate::doctor::registry::CheckId;
use crate::doctor::subject::Subject;
use crate::terminal::shell::quote;
use crate::terminal::words::list;

const LOG_DELIVERY: CheckId = CheckId::HistoryLogDelivery;

const LOG_PAGE: &str =
    "https://docs.aws.amazon.com/cognito/latest/developerguide/exporting-quotas-and-usage.html";

pub(super) async fn check(subject: &Subject<'_>) -> Finding {
    let answer = subject.progress.of(Pools::new(subject.aws).log_delivery(subject.pool_id)).await;
    let finding = match answer {
        Ok(configured) => {
            let pool_arn = subject.pool.as_ref().ok().map(UserPool::arn);
            finding(subject.pool_id, pool_arn, &configured)
        }
        Err(error) => {
            let what = "whether Cognito logs messages that it couldn't deliver";
            return Finding::not_checked(LOG_DELIVERY, what, &error);
        }
    };
    finding
        .evidence("cognito-idp:GetLogDeliveryConfiguration: userNotification at the level ERROR")
        .source(LOG_PAGE)
}

fn finding(pool_id: &str, pool_arn: Option<&str>, configured: &[LogDelivery]) -> Finding {
    if let Some(delivery) = configured.iter().find(|delivery| delivery.source == "userNotification") {
        let logged = "Cognito logs messages that it couldn't deliver";
        let Some(arn) = &delivery.log_group_arn else {
            return Finding::ok(LOG_DELIVERY, format!("{logged}, but not to CloudWatch Logs"));
        };
        let group = Arn::parse(arn).and_then(Arn::log_group).unwrap_or(arn);
        let region = region_of(arn).unwrap_or_default();
        return Finding::ok(LOG_DELIVERY, format!("{logged}; read them with:")).command(format!(
            "aws logs tail {} --since 1d --region {}",
            quote(group),
            quote(region)
        ));
    }
    let (partition, region, account) = match pool_arn.and_then(Arn::parse) {
        Some(arn) => (arn.partition(), arn.region(), arn.account()),
        None => ("aws", "REGION", "ACCOUNT"),
    };
    let group = format!("/aws/vendedlogs/cognito/{pool_id}");
    let arn = format!("arn:{partition}:logs:{region}:{account}:log-group:{group}");
    let setting = format!(
        "LogLevel=ERROR,EventSource=userNotification,CloudWatchLogsConfiguration={{LogGroupArn={arn}}}"
    );
    let finding = Finding::new(
        LOG_DELIVERY,
        Level::NotChecked,
        "Cognito doesn't log messages that it couldn't deliver; to log them from now on:",
    )
    .command(format!("aws logs create-log-group --log-group-name {} --region {region}", quote(&group)))
    .command(format!(
        "aws cognito-idp set-log-delivery-configuration --user-pool-id {} --log-configurations {} --region {region}",
        quote(pool_id),
        quote(&setting)
    ));
    if configured.is_empty() {
        return finding;
    }
    let others: Vec<_> = configured.iter().map(|delivery| delivery.source.as_str()).collect();
    finding.advice(format!(
        "The second command replaces the whole log delivery configuration: add the existing one for {} to it.",
        list(&others)
    ))
}
