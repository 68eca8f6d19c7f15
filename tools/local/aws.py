"""A local AWS on 127.0.0.1: ministack for nearly everything, moto for SMS, which ministack does not show."""

import json
import sys
import urllib.request

import boto3
from botocore.config import Config

from local.processes import ACCOUNT, REGION

PYTHON = sys.executable


def client(service, url, region=REGION):
    """A real SDK client that talks to `url`, and to nothing else."""
    return boto3.client(
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 2}, read_timeout=60, proxies={}),
    )


class LocalAws:
    """Starts both servers and reads back what was sent through them.

    Functions that are deployed to ministack run as its children and inherit its environment. That is how
    they learn the addresses of the local services: the template has no setting for tests.
    """

    def __init__(self, processes, main_port, sms_port, host="127.0.0.1"):
        self.host = host
        self.url = f"http://{host}:{main_port}"
        self.sms_url = f"http://{host}:{sms_port}"
        self.endpoints = {
            "AWS_ENDPOINT_URL_KMS": self.url,
            "AWS_ENDPOINT_URL_SESV2": self.url,
            "AWS_ENDPOINT_URL_SNS": self.sms_url,
        }
        moto = processes.start("moto", [PYTHON, "-m", "moto.server", "-H", host, "-p", sms_port])
        ministack = processes.start(
            "ministack",
            [PYTHON, "-m", "ministack"],
            cwd=processes.folder,
            BIND_HOST=host,
            GATEWAY_PORT=str(main_port),
            IOT_MTLS_ENABLED="0",
            STATE_DIR=str(processes.folder / "ministack"),
            TMPDIR=str(processes.folder),
            MINISTACK_REGION=REGION,
            MINISTACK_ACCOUNT_ID=ACCOUNT,
            AWS_ENDPOINT_URL=self.url,
            **self.endpoints,
        )
        processes.ready("moto", moto, f"{self.sms_url}/moto-api/data.json")
        processes.ready("ministack", ministack, f"{self.url}/_ministack/ready")

    def client(self, service):
        return client(service, self.url)

    def verify_sender(self, domain):
        """Makes `domain` an identity that SES sends for, as an operator does before the first email."""
        self.client("sesv2").create_email_identity(EmailIdentity=domain)

    def mails(self):
        """All emails so far, oldest first: To, Source, Subject, BodyText, BodyHtml."""
        answer = _get(f"{self.url}/_ministack/ses/messages")
        mails = [mail for of_account in answer["messages"].values() for mail in of_account]
        return sorted(mails, key=lambda mail: mail["Timestamp"])

    def texts(self):
        """All SMS so far, oldest first, as pairs of number and text."""
        entries = _get(f"{self.sms_url}/moto-api/data.json").get("sns", {}).get("SMS", [])
        return [(entry["phone_number"], entry["message"]) for entry in entries]


def _get(url):
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(url, timeout=10) as answer:
        return json.load(answer)
