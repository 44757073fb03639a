//! `[customers]`: another system that is asked who a sender is.

use super::Check;
use super::sign_in::{UrlFault, absolute_url};
use crate::config::settings::{LookUpSettings, TokenUrl};
use crate::config::written::Customers;
use jiff::SignedDuration;
use std::ops::RangeInclusive;

/// What stands for the address in a URL.
const ADDRESS: &str = "{address}";
/// The same in letters that may stand anywhere in a URL, while it is looked at.
const STANDS_FOR_IT: &str = "x-the-address-x";
/// Longer would be in the way of mail, and a shorter one would never be kept.
const TIMEOUT: RangeInclusive<SignedDuration> = SignedDuration::from_millis(10)..=SignedDuration::from_secs(5);
const TIMEOUT_ELSE: SignedDuration = SignedDuration::from_millis(300);
const KEPT_FOR: RangeInclusive<SignedDuration> = SignedDuration::ZERO..=SignedDuration::from_hours(24);
const KEPT_FOR_ELSE: SignedDuration = SignedDuration::from_mins(10);

impl Check<'_> {
    pub(super) fn look_up(&mut self, written: &Customers) -> Option<LookUpSettings> {
        let timeout = self.duration("customers.lookup_timeout", written.lookup_timeout.as_ref(), TIMEOUT).unwrap_or(TIMEOUT_ELSE);
        let kept_for = self.duration("customers.lookup_kept_for", written.lookup_kept_for.as_ref(), KEPT_FOR).unwrap_or(KEPT_FOR_ELSE);
        let Some(url) = &written.lookup_url else {
            for (key, is_there) in
                [("lookup_token_file", written.lookup_token_file.is_some()), ("lookup_ca_file", written.lookup_ca_file.is_some())]
            {
                if is_there {
                    self.fault(&format!("customers.{key}"), "has no use without lookup_url; write that, too, or leave this out");
                }
            }
            return None;
        };
        let endpoint = look_up_url(url.trim()).map_err(|wrong| self.fault("customers.lookup_url", wrong)).ok();
        let token_file = written.lookup_token_file.as_ref().map(|file| self.secret_path(file));
        if let Some(file) = &token_file {
            // Only whether it can be read: whoever renews the token replaces the file.
            self.secret("customers.lookup_token_file", file);
        }
        let ca_file = self.ca_file("customers.lookup_ca_file", written.lookup_ca_file.as_deref());
        Some(LookUpSettings {
            endpoint: endpoint?,
            timeout: timeout.unsigned_abs(),
            kept_for: kept_for.unsigned_abs(),
            token_file,
            ca_file,
        })
    }
}

/// An absolute URL with `{address}` in its path or query.
fn look_up_url(text: &str) -> Result<TokenUrl, String> {
    const RIGHT: &str = "write one such as https://crm.example/lookup?address={address}";
    let wrong = |why: &str| format!("'{}' {why}; {RIGHT}", text.chars().take(100).collect::<String>());
    let url = absolute_url(&text.replace(ADDRESS, STANDS_FOR_IT)).map_err(|fault| match fault {
        UrlFault::Plain(_) => "is http to another machine, and addresses of customers go there; write https".to_owned(),
        UrlFault::Form | UrlFault::Extra => wrong("is no URL"),
    })?;
    let TokenUrl { host, path, .. } = &url;
    if host.contains(STANDS_FOR_IT) || !path.contains(STANDS_FOR_IT) {
        return Err(wrong("has no {address} in its path or query"));
    }
    Ok(TokenUrl { path: path.replace(STANDS_FOR_IT, ADDRESS), ..url })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_look_ups() {
        #[rustfmt::skip]
        let cases = [
            ("https://crm.example/lookup?address={address}", Some("/lookup?address={address}"), "the usual"),
            ("https://crm.example/customers/{address}", Some("/customers/{address}"), "in the path"),
            ("http://127.0.0.1:80/{address}/{address}", Some("/{address}/{address}"), "this machine; twice"),
            ("http://crm.example/{address}", None, "addresses in the clear"),
            ("https://crm.example/lookup", None, "nobody is asked about"),
            ("https://{address}.example/lookup", None, "the address is no host"),
            ("https://{address}.example/{address}", None, "nor with a path"),
            ("https://crm.example/{address}#{address}", None, "a fragment"),
            ("crm.example/{address}", None, "no scheme"),
            ("", None, "nothing"),
        ];
        for (text, expected, reason) in cases {
            let read = look_up_url(text);
            assert_eq!(read.as_ref().ok().map(|url| url.path.as_str()), expected, "{reason}: {text}");
            assert!(read.is_ok() || read.is_err_and(|why| why.contains("write ")), "{reason}: what would be right is said");
        }
    }
}
