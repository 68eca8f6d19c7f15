//! Checks of AWS Signature Version 4, made with the credentials that every function gets here.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use aws_lc_rs::{digest, hmac};

use crate::function::{ACCESS_KEY_ID, SECRET_ACCESS_KEY};
use crate::http::Request;

/// Checks that a request is signed for a service, in any Region, and that the signature matches its headers and body.
///
/// # Errors
/// The reason why the service rejects the signature.
pub(crate) fn check(request: &Request, service: &str) -> Result<(), String> {
    let authorization = request.header("authorization").ok_or("there is no Authorization header")?;
    let fields = authorization
        .strip_prefix("AWS4-HMAC-SHA256 ")
        .ok_or("the Authorization header is not of AWS4-HMAC-SHA256")?;
    let field = |name: &str| {
        fields
            .split(',')
            .find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='))
            .ok_or_else(|| format!("the Authorization header has no {name}"))
    };
    let time = request.header("x-amz-date").ok_or("there is no X-Amz-Date header")?;
    let day = time.get(..8).ok_or("the X-Amz-Date header is too short")?;
    let credential = field("Credential")?;
    let Some([ACCESS_KEY_ID, scope_day, region, scope_service, "aws4_request"]) =
        credential.split('/').collect::<Vec<_>>().first_chunk().copied()
    else {
        return Err(format!("signed as {credential}, not as {ACCESS_KEY_ID}"));
    };
    if (scope_day, scope_service) != (day, service) {
        return Err(format!("signed for {scope_service} on {scope_day}, not for {service} on {day}"));
    }

    if field("Signature")? == signature(request, time, region, service, field("SignedHeaders")?) {
        Ok(())
    } else {
        Err("the signature is not that of the request".to_owned())
    }
}

/// The signature of a request at that time, in the form of the `X-Amz-Date` header.
fn signature(request: &Request, time: &str, region: &str, service: &str, signed_headers: &str) -> String {
    let day = time.get(..8).unwrap_or_default();
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{time}\n{scope}\n{}",
        hex(digest::digest(&digest::SHA256, canonical(request, signed_headers).as_bytes()).as_ref())
    );
    let secret = format!("AWS4{SECRET_ACCESS_KEY}").into_bytes();
    let key = [day, region, service, "aws4_request"].iter().fold(secret, |key, part| sign(&key, part));
    hex(&sign(&key, &to_sign))
}

/// The canonical request. A path is escaped again; the fields of a query are sorted.
fn canonical(request: &Request, signed_headers: &str) -> String {
    let headers: String = signed_headers
        .split(';')
        .flat_map(|name| [name, ":", request.header(name).unwrap_or_default().trim(), "\n"])
        .collect();
    let payload = hex(digest::digest(&digest::SHA256, &request.body).as_ref());
    let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
    let path = path.replace('%', "%25");
    let with_sign = |field: &str| if field.contains('=') { field.to_owned() } else { format!("{field}=") };
    let mut fields: Vec<_> = query.split('&').filter(|field| !field.is_empty()).map(with_sign).collect();
    fields.sort();
    let query = fields.join("&");
    format!("{}\n{path}\n{query}\n{headers}\n{signed_headers}\n{payload}", request.method)
}

fn sign(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16).expect("half a byte is below 16");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Adds the headers that sign a request with a target header for a service.
pub(crate) fn add(request: &mut Request, service: &str) {
    const TIME: &str = "20261121T120000Z";
    const SIGNED_HEADERS: &str = "x-amz-date;x-amz-target";
    request.headers.push(("x-amz-date".to_owned(), TIME.to_owned()));
    let signature = signature(request, TIME, "eu-central-1", service, SIGNED_HEADERS);
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/20261121/eu-central-1/{service}/aws4_request, \
         SignedHeaders={SIGNED_HEADERS}, Signature={signature}"
    );
    request.headers.push(("authorization".to_owned(), authorization));
}
