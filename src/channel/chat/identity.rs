//! A visitor whom the embedding site has signed in: a JWT, HS256, with `name`, `email` and `exp`.

use crate::domain::address::EmailAddress;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// How far the site's clock may be off.
const LEEWAY_SECS: i64 = 30;

/// Who the site says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// As signed, on one line; may be empty.
    pub name: String,
    pub address: EmailAddress,
}

/// Why it is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityFault {
    #[error("no identity secret is configured")]
    NoSecret,
    /// Form, algorithm, signature or a claim's kind; the window hears nothing finer, so that it teaches a forger nothing.
    #[error("the token does not verify")]
    Invalid,
    #[error("the token has expired or is not valid yet")]
    Expired,
    #[error("the token has no usable address")]
    Address,
}

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    name: String,
    email: String,
    /// Seconds since 1970; RFC 7519 section 2 allows fractions.
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
}

/// Checks a token against the site's key.
///
/// # Errors
/// Why it is not believed; the token itself is not repeated.
pub fn verify(secret: Option<&SecretString>, token: &str, now: Timestamp) -> Result<Identity, IdentityFault> {
    let secret = secret.ok_or(IdentityFault::NoSecret)?;
    let mut validation = Validation::new(Algorithm::HS256);
    // The crate would read the machine's clock; ours is checked below. The key is for this desk alone, so whatever
    // audience the site names is ours.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let key = DecodingKey::from_secret(secret.expose_secret().as_bytes());
    let claims = decode::<Claims>(token, &key, &validation).map_err(|_| IdentityFault::Invalid)?.claims;
    let (late, early) = (now.as_second() + LEEWAY_SECS, now.as_second() - LEEWAY_SECS);
    // Comparisons with NaN are false, so a token that plays with it is expired. Seconds fit a double exactly.
    #[expect(clippy::cast_precision_loss, reason = "seconds of this era need 38 of the 52 bits")]
    let valid = claims.exp > early as f64 && claims.nbf.is_none_or(|nbf| nbf <= late as f64);
    if !valid {
        return Err(IdentityFault::Expired);
    }
    let address = EmailAddress::parse(&claims.email).map_err(|_| IdentityFault::Address)?;
    let name: Vec<&str> = claims.name.split(|c: char| c.is_control() || c.is_whitespace()).filter(|w| !w.is_empty()).collect();
    let mut name = name.join(" ");
    name.truncate(name.floor_char_boundary(super::protocol::NAME_OCTETS_MAX));
    Ok(Identity { name, address })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use serde_json::{Value, json};

    fn token(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
        encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
    }

    #[test]
    fn p7_only_what_the_site_signed_is_believed() {
        let secret = SecretString::from("k".repeat(32));
        let right = "k".repeat(32);
        let now = Timestamp::from_second(1_000_000).unwrap();
        let good = json!({"name":"Ana\nSouza","email":"Ana@Acme.example","exp":1_000_060,"sub":"7","aud":"x"});
        let identity = verify(Some(&secret), &token(Algorithm::HS256, &right, &good), now).unwrap();
        assert_eq!(identity.name, "Ana Souza");
        assert_eq!(identity.address, EmailAddress::parse("ana@acme.example").unwrap());

        let hs256 = |claims: Value| token(Algorithm::HS256, &right, &claims);
        // {"alg":"none"} without a signature
        let none = "eyJhbGciOiJub25lIn0.eyJlbWFpbCI6ImFAYi5leGFtcGxlIiwiZXhwIjo5OTk5OTk5OTk5fQ.";
        let table = [
            (token(Algorithm::HS256, "other", &good), IdentityFault::Invalid, "another key"),
            (token(Algorithm::HS512, &right, &good), IdentityFault::Invalid, "another algorithm"),
            (none.to_owned(), IdentityFault::Invalid, "no algorithm"),
            (String::new(), IdentityFault::Invalid, "nothing"),
            (hs256(json!({"email":"a@b.example"})), IdentityFault::Invalid, "for ever"),
            (hs256(json!({"email":"a@b.example","exp":"tomorrow"})), IdentityFault::Invalid, "no number"),
            (hs256(json!({"email":"a@b.example","exp":999_900})), IdentityFault::Expired, "over"),
            (hs256(json!({"email":"a@b.example","exp":1_000_060,"nbf":1_000_050})), IdentityFault::Expired, "not yet"),
            (hs256(json!({"email":"nobody","exp":1_000_060})), IdentityFault::Address, "no address"),
        ];
        for (token, want, why) in table {
            assert_eq!(verify(Some(&secret), &token, now), Err(want), "{why}");
        }
        assert_eq!(verify(None, &hs256(good), now), Err(IdentityFault::NoSecret));
        assert!(verify(Some(&secret), &hs256(json!({"email":"a@b.example","exp":999_990})), now).is_ok(), "within the leeway");
    }
}
