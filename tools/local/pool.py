"""A local user pool that fires our deployed functions, and an app client with a secret that talks to it."""

import base64
import hashlib
import hmac
import json

from local.aws import client
from local.processes import TOOLS

CREDENTIALS = {"accessKeyId": "test", "secretAccessKey": "test"}


class LocalPools:
    """One cognito-local server. Its triggers belong to the server, not to a pool."""

    def __init__(self, processes, name, port, aws, triggers, key_arn):
        self.url = f"http://127.0.0.1:{port}"
        folder = processes.folder / name
        (folder / ".cognito").mkdir(parents=True)
        settings = {
            "LambdaClient": {"credentials": CREDENTIALS, "region": "eu-central-1", "endpoint": aws.url},
            "KMSConfig": {
                "credentials": CREDENTIALS,
                "region": "eu-central-1",
                "endpoint": aws.url,
                "KMSKeyId": key_arn,
                "KMSKeyAlias": key_arn,
            },
            "TriggerFunctions": triggers,
            "UserPoolDefaults": {"UsernameAttributes": ["email"]},
            "ServerConfig": {"hostname": "127.0.0.1", "port": port},
            "TokenConfig": {"IssuerDomain": self.url},
        }
        (folder / ".cognito" / "config.json").write_text(json.dumps(settings))
        start = TOOLS / "node" / "node_modules" / "cognito-local" / "lib" / "bin" / "start.js"
        server = processes.start(
            name, ["node", start], cwd=folder, HOST="127.0.0.1", PORT=str(port), DEBUG="", NO_COLOR="1", COLUMNS="10000"
        )
        processes.ready(name, server, f"{self.url}/health")
        self.log = processes.log(name)

    def create(self):
        """A pool whose users sign in with their email address, and a client of it with a secret."""
        api = client("cognito-idp", self.url)
        pool = api.create_user_pool(
            PoolName="demo",
            UsernameAttributes=["email"],
            AutoVerifiedAttributes=["email"],
            AccountRecoverySetting={"RecoveryMechanisms": [{"Name": "verified_email", "Priority": 1}]},
        )["UserPool"]["Id"]
        app = api.create_user_pool_client(UserPoolId=pool, ClientName="demo", GenerateSecret=True)["UserPoolClient"]
        return Pool(api, pool, app["ClientId"], app["ClientSecret"])


class Pool:
    """The calls of a server-side app, each with its SECRET_HASH, and those of an administrator."""

    def __init__(self, api, pool_id, client_id, secret):
        self.api, self.id, self.client_id, self._secret = api, pool_id, client_id, secret
        self.errors = api.exceptions

    def secret_hash(self, user):
        """Base64(HMAC_SHA256(client secret, username + client ID)), as the Cognito guide defines it."""
        digest = hmac.new(self._secret.encode(), (user + self.client_id).encode(), hashlib.sha256).digest()
        return base64.b64encode(digest).decode()

    def _app(self, user):
        return {"ClientId": self.client_id, "SecretHash": self.secret_hash(user), "Username": user}

    def sign_up(self, user, password, **metadata):
        attributes = [{"Name": "email", "Value": user}]
        return self.api.sign_up(
            **self._app(user), Password=password, UserAttributes=attributes, ClientMetadata=metadata
        )

    def confirm(self, user, code):
        self.api.confirm_sign_up(**self._app(user), ConfirmationCode=code)

    def forgot_password(self, user):
        self.api.forgot_password(**self._app(user))

    def reset_password(self, user, code, password):
        self.api.confirm_forgot_password(**self._app(user), ConfirmationCode=code, Password=password)

    def sign_in(self, user, password):
        """Tokens, or a challenge."""
        answers = {"USERNAME": user, "PASSWORD": password, "SECRET_HASH": self.secret_hash(user)}
        return self.api.initiate_auth(ClientId=self.client_id, AuthFlow="USER_PASSWORD_AUTH", AuthParameters=answers)

    def set_first_password(self, user, session, password):
        """Answers the challenge NEW_PASSWORD_REQUIRED."""
        answers = {"USERNAME": user, "NEW_PASSWORD": password, "SECRET_HASH": self.secret_hash(user)}
        return self.api.respond_to_auth_challenge(
            ClientId=self.client_id, ChallengeName="NEW_PASSWORD_REQUIRED", Session=session, ChallengeResponses=answers
        )

    def user(self, user):
        """Status and attributes, as AdminGetUser sees them; None when there is no such user."""
        try:
            found = self.api.admin_get_user(UserPoolId=self.id, Username=user)
        except self.errors.UserNotFoundException:
            return None
        return {"status": found["UserStatus"]} | {item["Name"]: item["Value"] for item in found["UserAttributes"]}
