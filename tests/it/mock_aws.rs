//! The mock of AWS, called by AWS's own client in a protocol that few commands of the tool use.

use std::time::{Duration, SystemTime};

use aws_sdk_cloudwatch::error::ProvideErrorMetadata as _;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};
use serde_json::json;
use tests::mock_aws::{MockAws, metrics};
use tests::service::Reply;

const METRIC: &str = shared::metric::Metric::Sent.name();

#[tokio::test]
async fn cloudwatch_is_called_in_cbor() {
    let aws = MockAws::start();
    let client = client(&aws);
    let now = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
    let ask = async || {
        let dimension = Dimension::builder().name("Function").value("custom-email-sender").build();
        let metric =
            Metric::builder().namespace("triggers").metric_name(METRIC).dimensions(dimension).build();
        let stat = MetricStat::builder().metric(metric).period(3600).stat("Sum").build();
        let query = MetricDataQuery::builder().id("sent").metric_stat(stat).build();
        let times = (now - Duration::from_hours(2), now);
        let request = client.get_metric_data().metric_data_queries(query);
        request.start_time(DateTime::from(times.0)).end_time(DateTime::from(times.1)).send().await
    };
    assert!(ask().await.unwrap().metric_data_results()[0].values().is_empty());
    aws.answer_with("cloudwatch:GetMetricData", |request| {
        metrics(request, |namespace, name, dimensions| {
            assert_eq!((namespace, name), ("triggers", METRIC));
            assert_eq!(dimensions["Function"], "custom-email-sender");
            vec![12.0, 0.5]
        })
    });
    let answer = ask().await.unwrap();
    let result = &answer.metric_data_results()[0];
    assert_eq!(
        (result.id(), result.label(), result.values()),
        (Some("sent"), Some(METRIC), &[12.0, 0.5][..])
    );
    let hour = |hour: i64| DateTime::from_secs(hour * 3600);
    assert_eq!(result.timestamps(), [hour(499_998), hour(499_999)]);
    assert_eq!(aws.asked("cloudwatch:GetMetricData")[0]["EndTime"], json!(1_800_000_000.0));

    aws.script("cloudwatch:GetMetricData", [Reply::error(403, "AccessDenied"), Reply::ExpiredCredentials]);
    for code in ["AccessDenied", "ExpiredToken"] {
        assert_eq!(ask().await.unwrap_err().code(), Some(code));
    }
}

fn client(aws: &MockAws) -> aws_sdk_cloudwatch::Client {
    let credentials = aws_sdk_cloudwatch::config::Credentials::new(
        tests::function::ACCESS_KEY_ID,
        tests::function::SECRET_ACCESS_KEY,
        None,
        None,
        "tests",
    );
    let config = aws_sdk_cloudwatch::Config::builder()
        .behavior_version_latest()
        .region(aws_sdk_cloudwatch::config::Region::new(tests::mock_aws::REGION))
        .endpoint_url(aws.url())
        .credentials_provider(credentials);
    aws_sdk_cloudwatch::Client::from_conf(config.build())
}
