//! The workspace's token endpoint: an ID token of a workflow run is exchanged for a workspace token (RFC 8693).
//!
//! Verified as the real endpoint does: signature against the issuer's published keys, then a federation policy of the
//! service principal that matches issuer, audience and subject exactly. There are no patterns in a policy; that is why a
//! repository with an immutable subject (`repo:org@1/repo@2:...`) needs a policy of its own. A refusal does not say which
//! claim was wrong, so that a client has to work it out from the token it sent.

use std::collections::HashMap;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use super::Principal;

/// Whom the workspace trusts.
#[derive(Clone, Debug)]
pub struct Federation {
    /// Where the issuer publishes its keys.
    pub jwks_url: String,
    pub account_id: String,
    pub principals: Vec<(Principal, Vec<Policy>)>,
    /// Seconds a workspace token lives; the real service follows the ID token, about 300.
    pub token_seconds: i64,
}

impl Federation {
    /// A principal by name; whom nobody has described may do everything.
    pub(crate) fn known(&self, user_name: &str) -> Principal {
        let known = self.principals.iter().map(|(principal, _)| principal).find(|p| p.user_name == user_name);
        known.cloned().unwrap_or_else(|| Principal::deployer(user_name, user_name))
    }
}

/// A federation policy of a service principal.
#[derive(Clone, Debug)]
pub struct Policy {
    pub issuer: String,
    /// Without any, the account id is the audience.
    pub audiences: Vec<String>,
    pub subject: String,
}

/// A token that the endpoint gave out.
pub(crate) struct Issued {
    pub token: String,
    pub principal: Principal,
    pub expires: i64,
}

/// An error of RFC 6749, section 5.2.
pub(crate) struct OAuthError {
    pub status: u16,
    pub error: &'static str,
    pub description: String,
}

impl OAuthError {
    fn new(status: u16, error: &'static str, description: impl Into<String>) -> Self {
        Self { status, error, description: description.into() }
    }

    pub fn body(&self) -> Value {
        json!({"error": self.error, "error_description": self.description})
    }
}

const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Answers a token request. `now` is the stand-in's clock, in milliseconds.
pub(crate) async fn exchange(
    federation: &Federation,
    form: &HashMap<String, String>,
    now: i64,
) -> Result<Issued, OAuthError> {
    let field = |name: &str| form.get(name).map(String::as_str).filter(|v| !v.is_empty());
    let need = |name: &'static str| {
        field(name).ok_or_else(|| OAuthError::new(400, "invalid_request", format!("{name} is required")))
    };
    if need("grant_type")? != EXCHANGE {
        return Err(OAuthError::new(400, "unsupported_grant_type", "only token exchange is supported"));
    }
    if need("subject_token_type")? != JWT {
        return Err(OAuthError::new(400, "invalid_request", "subject_token_type must be a JWT"));
    }
    if need("scope")?.split(' ').all(|s| s != "all-apis") {
        return Err(OAuthError::new(400, "invalid_scope", "scope all-apis is required"));
    }
    let subject_token = need("subject_token")?;
    let client = need("client_id")?;
    let Some((principal, policies)) = federation.principals.iter().find(|(p, _)| p.user_name == client) else {
        return Err(OAuthError::new(401, "invalid_client", "Client authentication failed"));
    };
    let claims = verified_claims(federation, subject_token, now).await?;
    if !policies.iter().any(|p| p.trusts(&claims, &federation.account_id)) {
        return Err(OAuthError::new(
            400,
            "invalid_request",
            "No federation policy of the service principal matches the issuer, audience and subject of the token",
        ));
    }
    let token = format!("standin.{}.{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    Ok(Issued { token, principal: principal.clone(), expires: now + federation.token_seconds * 1000 })
}

impl Policy {
    fn trusts(&self, claims: &Value, account_id: &str) -> bool {
        let audience_of_token: Vec<&str> = match &claims["aud"] {
            Value::String(one) => vec![one],
            Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
            _ => vec![],
        };
        let wanted = |aud: &str| {
            if self.audiences.is_empty() { aud == account_id } else { self.audiences.iter().any(|a| a == aud) }
        };
        claims["iss"] == self.issuer.as_str()
            && claims["sub"] == self.subject.as_str()
            && audience_of_token.into_iter().any(wanted)
    }
}

/// Signature and times; who is trusted is the policy's business.
async fn verified_claims(federation: &Federation, token: &str, now: i64) -> Result<Value, OAuthError> {
    let bad = |why: String| OAuthError::new(400, "invalid_request", format!("The subject token is not valid: {why}"));
    let header = jsonwebtoken::decode_header(token).map_err(|e| bad(e.to_string()))?;
    if header.alg != Algorithm::RS256 {
        return Err(bad("it is not signed with RS256".into()));
    }
    let keys = published_keys(&federation.jwks_url).await.map_err(&bad)?;
    let kid = header.kid.ok_or_else(|| bad("it names no key".into()))?;
    let jwk = keys.find(&kid).ok_or_else(|| bad("its key is not published".into()))?;
    let key = DecodingKey::from_jwk(jwk).map_err(|e| bad(e.to_string()))?;
    let mut validation = Validation::new(Algorithm::RS256);
    // Times are checked below against the stand-in's own clock, which a test may have moved.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let claims = jsonwebtoken::decode::<Value>(token, &key, &validation).map_err(|e| bad(e.to_string()))?.claims;
    let seconds = now / 1000;
    if claims["exp"].as_i64().is_none_or(|exp| exp <= seconds) {
        return Err(bad("it has expired".into()));
    }
    if claims["nbf"].as_i64().is_some_and(|nbf| nbf > seconds + 60) {
        return Err(bad("it is not valid yet".into()));
    }
    Ok(claims)
}

/// Fetched for every exchange: a stand-in sees few, and a rotated key must be seen at once.
async fn published_keys(url: &str) -> Result<JwkSet, String> {
    let unreachable = |_| "the issuer's keys could not be fetched".to_owned();
    // The other stand-in is on the loopback, where no proxy helps.
    let client = reqwest::Client::builder().no_proxy().build().map_err(unreachable)?;
    let reply = client.get(url).send().await.and_then(reqwest::Response::error_for_status).map_err(unreachable)?;
    reply.json().await.map_err(|_| "the issuer's keys could not be read".to_owned())
}
