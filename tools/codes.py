"""Encrypts codes the way Amazon Cognito does, with the official AWS Encryption SDK for Python.

Cognito hands a custom sender its code as a base64 AWS Encryption SDK message. Published samples show
message format 1 with suite 0x0378 (signed, without key commitment) and the pool's id in the encryption
context, so that is what `encrypt` makes; local user pools make format 2 with suite 0x0578 instead.
"""

import base64

from aws_encryption_sdk import CommitmentPolicy, EncryptionSDKClient
from aws_encryption_sdk.identifiers import AlgorithmSuite
from aws_encryption_sdk.key_providers.kms import KMSMasterKey, KMSMasterKeyConfig
from botocore.client import BaseClient

COGNITO = (AlgorithmSuite.AES_256_GCM_IV12_TAG16_HKDF_SHA384_ECDSA_P384, CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT)
COMMITTING = (
    AlgorithmSuite.AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384,
    CommitmentPolicy.REQUIRE_ENCRYPT_ALLOW_DECRYPT,
)


class FixtureKms(BaseClient):  # the SDK insists on that type
    """Responds like KMS for the fixtures, without a server.

    The encrypted data key describes itself: the bytes `test-kms:` and then the data key in clear. A mock
    of KMS can therefore respond to Decrypt without any state.
    """

    KEY_ARN = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
    DATA_KEY = bytes(range(32))
    PREFIX = b"test-kms:"

    def __init__(self):  # a client without a session: nothing here goes anywhere
        pass

    def generate_data_key(self, **_request):
        """Gives always the same data key: the fixtures are public and keep no secret."""
        return {"KeyId": self.KEY_ARN, "Plaintext": self.DATA_KEY, "CiphertextBlob": self.PREFIX + self.DATA_KEY}

    def decrypt(self, CiphertextBlob, **_request):  # the name is KMS's
        """Reads the data key back out of its description."""
        if not CiphertextBlob.startswith(self.PREFIX):
            raise ValueError("not a data key of the fixtures")
        return {"KeyId": self.KEY_ARN, "Plaintext": CiphertextBlob.removeprefix(self.PREFIX)}


def encrypt(code, kms, key_arn, pool_id=None, form=COGNITO):
    """Returns `code` as in an event, encrypted with `key_arn` at the KMS client `kms`."""
    suite, policy = form
    message, _header = EncryptionSDKClient(commitment_policy=policy).encrypt(
        source=code.encode(),
        key_provider=_key(kms, key_arn),
        algorithm=suite,
        encryption_context={} if pool_id is None else {"userpool-id": pool_id},
    )
    return base64.b64encode(message).decode()


def decrypt(code, kms, key_arn):
    """Returns the clear text of an event's code, the pool's id it was made for, and its suite."""
    client = EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_ALLOW_DECRYPT)
    text, header = client.decrypt(source=base64.b64decode(code, validate=True), key_provider=_key(kms, key_arn))
    return text.decode(), header.encryption_context.get("userpool-id"), header.algorithm


def _key(kms, key_arn):
    return KMSMasterKey(config=KMSMasterKeyConfig(key_id=key_arn, client=kms))
