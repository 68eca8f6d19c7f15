"""Metrics, alarms and the dashboard."""

import unittest

from template import (
    AWS_METRICS,
    BINARIES,
    COGNITO,
    END_USER_MESSAGING,
    FIRST,
    FULL,
    GOOD,
    METRICS,
    MINIMAL,
    ROOT,
    SMS,
    by_alarms,
    by_widgets,
    deployed,
    observed,
    of_type,
    widgets,
)


class Observability(unittest.TestCase):
    """Alarms and the dashboard: AWS evaluates them; these tests check what is known beforehand."""

    def alarms(self, **parameters):
        return of_type(observed({**FIRST, **parameters}), "AWS::CloudWatch::Alarm")

    def test_what_is_watched_or_shown_is_a_metric_that_somebody_writes(self):
        for name, parameters in GOOD.items():
            resources = observed(parameters)
            written = {binary for function, binary in BINARIES.items() if function in resources}
            for where, metric in [*by_alarms(resources), *by_widgets(resources)]:
                space, metric_name, dimensions = metric
                with self.subTest(name, where=where, metric=metric_name):
                    if space == "demo":
                        self.assertEqual(list(dimensions), ["Function"])
                        self.assertIn(dimensions["Function"], written)
                        self.assertIn(metric_name, METRICS[dimensions["Function"]])
                    else:
                        self.assertEqual(list(dimensions), AWS_METRICS.get((space, metric_name)))

    def unexplained(self, errors, rejected, throttles):
        """What the alarm of pre-sign-up compares with its threshold."""
        [query] = [q for q in self.alarms()["PreSignUpErrorsAlarm"]["Metrics"] if "Expression" in q]
        return evaluate(query["Expression"], errors=errors, rejected=rejected, throttles=throttles)

    def test_every_failed_sign_up_counts_and_no_rejected_one(self):
        threshold = self.alarms()["PreSignUpErrorsAlarm"]["Threshold"]
        for values, expected in [
            ((0, None, 0), False),
            ((40, 40, 0), False),
            # One rejection that Lambda and the function count in different periods.
            ((40, 39, 0), False),
            # A function that doesn't start writes no metric, and a throttled one isn't invoked.
            ((2, None, 0), True),
            ((42, 40, 0), True),
            ((None, None, 2), True),
        ]:
            with self.subTest(values):
                self.assertEqual(self.unexplained(*values) >= threshold, expected)

    def test_a_minimal_stack_has_at_most_six_alarms_and_publishes_what_they_need(self):
        for name, parameters in GOOD.items():
            resources = observed(parameters | {"Observability": "minimal"})
            own = {(dims["Function"], metric) for _, (_, metric, dims) in by_alarms(resources) if "Function" in dims}
            with self.subTest(name):
                self.assertLessEqual(len(of_type(resources, "AWS::CloudWatch::Alarm")), 6)
                self.assertEqual(own - {(f, m) for f, names in MINIMAL.items() for m in names}, set())
                self.assertNotIn("OverviewDashboard", resources)
        self.assertLess(sum(map(len, MINIMAL.values())) * 0.3, 2)

    def test_every_known_metric_of_aws_is_used(self):
        stacks = [observed({**FIRST, **FULL, **more}) for more in (SMS, COGNITO)]
        seen = {metric[:2] for made in stacks for _, metric in [*by_alarms(made), *by_widgets(made)]}
        self.assertEqual(set(AWS_METRICS) - seen, set())

    def test_every_alarm_says_what_to_do_and_reports_where_it_was_told(self):
        topic = "arn:aws:sns:eu-central-1:123456789012:alarms"
        for parameters, actions in [({}, None), ({"AlarmTopicArn": topic}, [topic])]:
            for name, alarm in self.alarms(**SMS, **FULL, **parameters).items():
                with self.subTest(name, parameters=parameters):
                    self.assertRegex(alarm["AlarmDescription"], r"Read |Check |Fix ")
                    self.assertLessEqual(len(alarm["AlarmDescription"]), 1024)
                    self.assertEqual((alarm.get("AlarmActions"), alarm.get("OKActions")), (actions, actions))

    def test_missing_values_mean_that_nothing_happened_or_nothing_new(self):
        for name, alarm in self.alarms(**SMS, **FULL).items():
            seldom = alarm.get("Namespace") in ("AWS/SES", "AWS/SNS")
            self.assertEqual(alarm["TreatMissingData"], "ignore" if seldom else "notBreaching", name)

    def test_the_alarms_of_each_deployment(self):
        always, by_cognito, queue = {"PreSignUpErrorsAlarm"}, {"CustomMessageErrorsAlarm"}, {"FailedEventsAlarm"}
        silence, limits, spend = {"NothingSentAlarm"}, {"SmsPumpingAlarm"}, {"SmsSpendAlarm"}
        each = ("Errors", "LostEvents", "DroppedEvents", "Configuration", "Malformed", "Records")
        email = {f"CustomEmailSender{kind}Alarm" for kind in each}
        sms = {f"CustomSmsSender{kind}Alarm" for kind in each}
        ses = {"SesBounceRateAlarm", "SesComplaintRateAlarm"}
        for parameters, minimal, full in [
            ({}, queue | silence, email | ses),
            (SMS, queue | silence | limits | spend, email | ses | sms),
            (END_USER_MESSAGING, queue | silence | limits, email | ses | sms),
            (COGNITO, by_cognito, set()),
            ({**COGNITO, "SmsDelivery": "cognito"}, by_cognito | spend, set()),
            ({**COGNITO, **SMS}, by_cognito | queue | limits | spend, sms),
            # Cognito may send the codes as SMS, and the review sends none.
            ({"SmsDelivery": "cognito"}, by_cognito | queue | spend, email | ses),
            ({"SignUpMode": "review"}, queue, email | ses),
            ({"SilenceAlarm": "false"}, queue, email | ses),
            ({"SesRegion": "eu-west-1"}, queue | silence, email),
            ({"SesRegion": "eu-central-1"}, queue | silence, email | ses),
        ]:
            with self.subTest(parameters):
                self.assertEqual(set(self.alarms(**parameters)), always | minimal)
                self.assertEqual(set(self.alarms(**FULL, **parameters)), always | minimal | full)

    def test_status_finds_the_alarms_of_the_nested_stack_by_their_names(self):
        for name, alarm in of_type(observed({**FIRST, **SMS, **FULL}), "AWS::CloudWatch::Alarm").items():
            # What CloudFormation calls an alarm without a name, such as those of the stack itself.
            self.assertRegex(alarm.get("AlarmName", f"demo-{name}-1AB2CD3EF4GH"), rf"^demo-{name}-[^-]+$")

    def test_thresholds_are_those_of_aws_and_of_the_operator(self):
        alarms = self.alarms(**SMS, **FULL, SmsSpendAlarmUsd="400")
        thresholds = {name: float(alarm["Threshold"]) for name, alarm in alarms.items()}
        self.assertEqual(thresholds["SesBounceRateAlarm"], 0.05)
        self.assertEqual(thresholds["SesComplaintRateAlarm"], 0.001)
        self.assertEqual(thresholds["SmsSpendAlarm"], 400)
        for name, alarm in alarms.items():
            self.assertEqual(alarm["ComparisonOperator"], "GreaterThanOrEqualToThreshold", name)
            # CloudWatch's limit for periods of up to an hour is a day.
            self.assertLessEqual(alarm.get("Period", 900) * alarm["EvaluationPeriods"], 86400)

    def test_a_period_is_silent_if_no_message_follows_its_sign_ups(self):
        for more, table in [
            # passed on, emails sent, SMS sent; None: no value in this period
            (
                {},
                [
                    (1, None, None, True),
                    (1, 0, None, True),
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
                found = evaluate(expression, passed=passed, emails=emails, texts=texts)
                with self.subTest(more, passed=passed, emails=emails, texts=texts):
                    self.assertEqual(found is not None and found >= alarm["Threshold"], expected)

    def test_a_message_that_is_still_on_its_way_raises_no_alarm(self):
        # The window slides, so its newest period ends at any moment between a sign-up and its email.
        alarm = self.alarms()["NothingSentAlarm"]
        self.assertEqual((alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]), (4, 2))
        # Lambda retries after one and two minutes.
        for query in alarm["Metrics"]:
            if "MetricStat" in query:
                self.assertGreaterEqual(query["MetricStat"]["Period"], 5 * 60)

    def test_the_dashboard_shows_what_is_deployed_and_stays_within_the_free_size(self):
        sets = [*GOOD.items(), *((f"{name}, full", parameters | FULL) for name, parameters in GOOD.items())]
        for name, parameters in sets:
            resources = observed(parameters)
            wanted = parameters.get("Observability", "minimal") != "minimal"
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
        resources = observed({**FIRST, **SMS, **FULL})
        shown = {(dims.get("Function"), metric) for _, (_, metric, dims) in by_widgets(resources)}
        for function in ("custom-email-sender", "custom-sms-sender"):
            failed = {(function, m) for m in METRICS[function] if m.startswith("Failed")}
            self.assertEqual(failed - shown, set())

    def test_the_documented_costs_count_what_is_there(self):
        text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
        rows = {row[1].strip(): row for row in (line.split("|") for line in text.splitlines()) if len(row) == 6}
        for parameters, published, column in [(SMS, MINIMAL, 3), ({**SMS, **FULL}, METRICS, 4)]:
            resources = observed({**FIRST, **parameters})
            deployed_ones = [binary for function, binary in BINARIES.items() if function in resources]
            written = sum(len(published.get(binary, [])) for binary in deployed_ones)
            watched, shown = len(list(by_alarms(resources))), len(list(by_widgets(resources)))
            self.assertIn(f" at most {written} metrics: {written * 0.3:.2f} ", rows["Metrics of the functions"][column])
            self.assertIn(f" {watched} metrics: {watched * 0.1:.2f} ", rows["Alarms"][column])
            self.assertIn(f" {shown} metrics " if shown else " none ", rows["Dashboard"][column])


def evaluate(expression, **values):
    """CloudWatch's metric math on the values of one period, as far as the alarms use it."""
    functions = {
        "IF": lambda condition, then, otherwise: then if condition else otherwise,
        "FILL": lambda value, filling: filling if value is None else value,
    }
    # The expression is this repository's own text.
    return eval(expression, {"__builtins__": {}}, functions | values)
