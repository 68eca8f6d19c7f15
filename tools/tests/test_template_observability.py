"""Metrics, alarms and the dashboard."""

import unittest

from template import (
    AWS_METRICS,
    BINARIES,
    COGNITO,
    END_USER_MESSAGING,
    EXISTING,
    FIRST,
    GOOD,
    METRICS,
    ROOT,
    SMS,
    by_alarms,
    by_widgets,
    deployed,
    of_type,
    widgets,
)


class Observability(unittest.TestCase):
    """Alarms and the dashboard: AWS evaluates them; these tests check what is known beforehand."""

    def alarms(self, **parameters):
        return of_type(deployed({**FIRST, **parameters}).section("Resources"), "AWS::CloudWatch::Alarm")

    def test_what_is_watched_or_shown_is_a_metric_that_somebody_writes(self):
        for name, parameters in GOOD.items():
            resources = deployed(parameters).section("Resources")
            from_logs = [
                (made["MetricNamespace"], made["MetricName"], {})
                for lines in of_type(resources, "AWS::Logs::MetricFilter").values()
                for made in lines["MetricTransformations"]
            ]
            written = {binary for function, binary in BINARIES.items() if function in resources}
            for where, metric in [*by_alarms(resources), *by_widgets(resources)]:
                space, metric_name, dimensions = metric
                with self.subTest(name, where=where, metric=metric_name):
                    if metric in from_logs:
                        continue
                    if space == "demo":
                        self.assertEqual(list(dimensions), ["Function"])
                        self.assertIn(dimensions["Function"], written)
                        self.assertIn(metric_name, METRICS[dimensions["Function"]])
                    else:
                        self.assertEqual(list(dimensions), AWS_METRICS.get((space, metric_name)))

    def test_faults_of_pre_sign_up_are_counted_from_its_own_log(self):
        resources = deployed(FIRST).section("Resources")
        [lines] = of_type(resources, "AWS::Logs::MetricFilter").values()
        [made] = lines["MetricTransformations"]
        alarm = of_type(resources, "AWS::CloudWatch::Alarm")["PreSignUpErrorsAlarm"]
        self.assertEqual(lines["LogGroupName"], "<PreSignUpLogGroup.Ref>")
        self.assertEqual((alarm["Namespace"], alarm["MetricName"]), (made["MetricNamespace"], made["MetricName"]))

    def test_every_known_metric_of_aws_is_used(self):
        resources = deployed({**FIRST, **SMS}).section("Resources")
        seen = {metric[:2] for _, metric in [*by_alarms(resources), *by_widgets(resources)]}
        self.assertEqual(set(AWS_METRICS) - seen, set())

    def test_every_alarm_says_what_to_do_and_reports_where_it_was_told(self):
        topic = "arn:aws:sns:eu-central-1:123456789012:alarms"
        for parameters, actions in [({}, None), ({"AlarmTopicArn": topic}, [topic])]:
            for name, alarm in self.alarms(**SMS, **parameters).items():
                with self.subTest(name, parameters=parameters):
                    self.assertRegex(alarm["AlarmDescription"], r"Read |Check |Fix ")
                    self.assertLessEqual(len(alarm["AlarmDescription"]), 1024)
                    self.assertEqual((alarm.get("AlarmActions"), alarm.get("OKActions")), (actions, actions))

    def test_missing_values_mean_that_nothing_happened_or_nothing_new(self):
        for name, alarm in self.alarms(**SMS).items():
            seldom = alarm.get("Namespace") in ("AWS/SES", "AWS/SNS")
            self.assertEqual(alarm["TreatMissingData"], "ignore" if seldom else "notBreaching", name)

    def test_the_alarms_of_each_deployment(self):
        always = {"PreSignUpErrorsAlarm", "CustomMessageErrorsAlarm"}
        any_sender = always | {"FailedEventsAlarm"}
        each = ("Errors", "LostEvents", "DroppedEvents", "Configuration", "Malformed", "Records")
        email = {f"CustomEmailSender{kind}Alarm" for kind in each}
        sms = {f"CustomSmsSender{kind}Alarm" for kind in each} | {"SmsPumpingAlarm"}
        ses, spend = {"SesBounceRateAlarm", "SesComplaintRateAlarm"}, {"SmsSpendAlarm"}
        silence, no_record = {"NothingSentAlarm"}, {"CustomEmailSenderRecordsAlarm"}
        for parameters, expected in [
            ({}, any_sender | email | ses | silence),
            (SMS, any_sender | email | ses | silence | sms | spend),
            (END_USER_MESSAGING, any_sender | email | ses | silence | sms),
            (COGNITO, always),
            ({**COGNITO, "SmsDelivery": "cognito"}, always | spend),
            ({**COGNITO, **SMS}, any_sender | sms | spend),
            ({"SmsDelivery": "cognito"}, any_sender | email | ses | silence | spend),
            # A pool of yours may send its codes as SMS, and the review sends none.
            ({**EXISTING, "SmsDelivery": "cognito"}, any_sender | email | ses | spend),
            ({"SignUpMode": "review"}, any_sender | email | ses),
            ({"SilenceAlarm": "false"}, any_sender | email | ses),
            ({"SesRegion": "eu-west-1"}, any_sender | email | silence),
            ({"SesRegion": "eu-central-1"}, any_sender | email | ses | silence),
            ({"DeliveryRecords": "false"}, any_sender | email - no_record | ses | silence),
            (
                {**SMS, "DeliveryRecords": "false"},
                any_sender | email - no_record | ses | silence | sms | spend,
            ),
        ]:
            with self.subTest(parameters):
                self.assertEqual(set(self.alarms(**parameters)), expected)

    def test_thresholds_are_those_of_aws_and_of_the_operator(self):
        alarms = self.alarms(**SMS, SmsSpendAlarmUsd="400")
        thresholds = {name: float(alarm["Threshold"]) for name, alarm in alarms.items()}
        self.assertEqual(thresholds["SesBounceRateAlarm"], 0.05)
        self.assertEqual(thresholds["SesComplaintRateAlarm"], 0.001)
        self.assertEqual(thresholds["SmsSpendAlarm"], 400)
        for name, alarm in alarms.items():
            self.assertEqual(alarm["ComparisonOperator"], "GreaterThanOrEqualToThreshold", name)
            # CloudWatch's limit for periods of up to an hour is a day.
            self.assertLessEqual(alarm.get("Period", 1800) * alarm["EvaluationPeriods"], 86400)

    def test_silence_is_sign_ups_that_no_message_follows(self):
        for more, table in [
            # passed on, emails sent, SMS sent; None: no value in this half hour
            (
                {},
                [
                    (2, None, None, True),
                    (1, None, None, False),
                    (2, 1, None, False),
                    (None, None, None, False),
                ],
            ),
            (
                SMS,
                [(9, None, None, True), (9, None, 1, False), (9, 1, None, False), (None, 5, 5, False)],
            ),
        ]:
            alarm = self.alarms(**more)["NothingSentAlarm"]
            (expression,) = [q["Expression"] for q in alarm["Metrics"] if "Expression" in q]
            ids = {q["Id"] for q in alarm["Metrics"] if "MetricStat" in q}
            self.assertEqual(ids, {"passed", "emails", "texts"} if more else {"passed", "emails"})
            for passed, emails, texts, expected in table:
                functions = {
                    "IF": lambda condition, then, otherwise: then if condition else otherwise,
                    "FILL": lambda value, filling: filling if value is None else value,
                }
                values = {"passed": passed, "emails": emails, "texts": texts}
                # The expression is this repository's own text.
                found = eval(expression, {"__builtins__": {}}, functions | values)
                with self.subTest(more, passed=passed, emails=emails, texts=texts):
                    self.assertEqual(found is not None and found >= alarm["Threshold"], expected)

    def test_the_dashboard_shows_what_is_deployed_and_stays_within_the_free_size(self):
        for name, parameters in GOOD.items():
            resources = deployed(parameters).section("Resources")
            wanted = parameters.get("Dashboard") != "false"
            shown = list(widgets(resources))
            titles = " ".join(w["properties"]["title"] for w in shown)
            with self.subTest(name):
                self.assertEqual("OverviewDashboard" in resources, wanted)
                self.assertLessEqual(len(list(by_widgets(resources))), 50)
                if wanted:
                    self.assertIn("Sign-ups", titles)
                    self.assertEqual("Email:" in titles, "CustomEmailSenderFunction" in resources)
                    self.assertEqual("SMS:" in titles, "CustomSmsSenderFunction" in resources)
                    self.assertEqual("Failed events" in titles, "OnFailureQueue" in resources)
                for widget in shown:
                    self.assertEqual(widget["type"], "metric")
                    self.assertEqual(widget["properties"]["region"], "eu-central-1")

    def test_the_dashboard_shows_every_class_of_failure(self):
        resources = deployed({**FIRST, **SMS}).section("Resources")
        shown = {(dims.get("Function"), metric) for _, (_, metric, dims) in by_widgets(resources)}
        for function in ("custom-email-sender", "custom-sms-sender"):
            failed = {(function, m) for m in METRICS[function] if m.startswith("Failed")}
            self.assertEqual(failed - shown, set())

    def test_the_documented_costs_count_what_is_there(self):
        text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
        rows = {row[1].strip(): row for row in (line.split("|") for line in text.splitlines()) if len(row) == 6}
        for parameters, column in [({}, 3), (SMS, 4)]:
            resources = deployed({**FIRST, **parameters}).section("Resources")
            # One more than the functions write: the filter of the log of pre-sign-up.
            deployed_ones = [binary for function, binary in BINARIES.items() if function in resources]
            written = 1 + sum(len(METRICS[binary]) for binary in deployed_ones)
            watched, shown = len(list(by_alarms(resources))), len(list(by_widgets(resources)))
            self.assertIn(f" at most {written} metrics: {written * 0.3:.2f} ", rows["Metrics of the functions"][column])
            self.assertIn(f" {watched} metrics: {watched * 0.1:.2f} ", rows["Alarms"][column])
            self.assertIn(f" {shown} metrics ", rows["Dashboard"][column])
