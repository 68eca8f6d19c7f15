// The e-mail sender that a Node.js developer would write after AWS's own example: the AWS Encryption SDK, the AWS
// SDK v3, no template, no log. The benchmark compares the functions with it.
//
// The package that talks to the Runtime API inside Lambda's Node runtime is native code and needs a C++ tool chain,
// so this program does it with node:http.

import http from 'node:http';
import { buildClient, CommitmentPolicy, KmsKeyringNode } from '@aws-crypto/client-node';
import { SendEmailCommand, SESv2Client } from '@aws-sdk/client-sesv2';

// Cognito's messages carry no key commitment, so a decrypting client has to allow that.
const { decrypt } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_ALLOW_DECRYPT);
const keyring = new KmsKeyringNode({ keyIds: [process.env.CODE_KEY_ARN] });
const ses = new SESv2Client({});

async function handle(event) {
  const { plaintext, messageHeader } = await decrypt(keyring, Buffer.from(event.request.code, 'base64'));
  if (messageHeader.encryptionContext['userpool-id'] !== event.userPoolId) {
    throw new Error('the code is of another user pool');
  }
  await ses.send(
    new SendEmailCommand({
      FromEmailAddress: 'no-reply@example.com',
      Destination: { ToAddresses: [event.request.userAttributes.email] },
      Content: {
        Simple: {
          Subject: { Data: 'Your code', Charset: 'UTF-8' },
          Body: { Text: { Data: plaintext.toString('utf8'), Charset: 'UTF-8' } },
        },
      },
    }),
  );
}

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const headers = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const options = { host, port, method, path: `/2018-06-01/runtime/invocation/${path}`, agent, headers };
    const request = http.request(options, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => resolve({ headers: response.headers, body: Buffer.concat(parts).toString() }));
    });
    request.on('error', reject);
    request.end(body);
  });
}

async function run() {
  for (;;) {
    const next = await call('GET', 'next');
    const id = next.headers['lambda-runtime-aws-request-id'];
    try {
      await handle(JSON.parse(next.body));
      await call('POST', `${id}/response`, 'null');
    } catch (error) {
      await call('POST', `${id}/error`, JSON.stringify({ errorType: error.name, errorMessage: error.message }));
    }
  }
}

run().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
