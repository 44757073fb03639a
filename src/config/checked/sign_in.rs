//! How a mailbox is signed in to: by password, or by a token from a file, a program or a token endpoint.

use super::edges::is_loopback;
use super::{Check, texts};
use crate::config::fault::unknown;
use crate::config::settings::{ClientAuth, Grant, OAuth, SignIn, TokenCommand, TokenSource, TokenUrl};
use crate::config::written::{Imap, OAuth as WrittenOAuth, OneOrMany};
use hyper::Uri;
use std::path::PathBuf;

/// Every key that says how to sign in.
const WAYS: [&str; 5] = ["password", "password_file", "token_file", "token_command", "oauth"];
/// Below the state directory: refresh tokens that could not be written back to their own file.
const KEPT: &str = "oauth";

impl Check<'_> {
    /// `path` is that of the `imap` table.
    pub(super) fn sign_in(&mut self, path: &str, imap: &Imap, user: Option<&str>) -> Option<SignIn> {
        let key = |key: &str| format!("{path}.{key}");
        let is_there = [
            imap.password.is_some(),
            imap.password_file.is_some(),
            imap.token_file.is_some(),
            imap.token_command.is_some(),
            imap.oauth.is_some(),
        ];
        match is_there.iter().filter(|is_there| **is_there).count() {
            0 => {
                if !WAYS.iter().any(|way| self.places.is_marked(&key(way))) {
                    self.fault(
                        &key("user"),
                        "has no password; add password_file beside it (or for tokens: token_file, token_command or oauth)",
                    );
                }
                return None;
            }
            1 => {}
            _ => {
                self.fault(&key("user"), format!("has more than one of {}; leave one", WAYS.join(", ")));
                return None;
            }
        }
        let sign_in_as = imap.sign_in_as.as_ref().and_then(|name| self.sign_in_as(&key("sign_in_as"), name, imap, user));
        let token = if let Some(file) = &imap.token_file {
            let file = self.secret_path(file);
            // Only whether it can be read: the token is read anew at each sign-in.
            self.secret(&key("token_file"), &file).map(|_| TokenSource::File(file))
        } else if let Some(command) = &imap.token_command {
            self.token_command(&key("token_command"), command).map(TokenSource::Command)
        } else if let Some(oauth) = &imap.oauth {
            self.oauth(&key("oauth"), oauth).map(|oauth| TokenSource::OAuth(Box::new(oauth)))
        } else {
            let password = self.password(&key("password_file"), imap.password.as_ref(), imap.password_file.as_deref())?;
            return Some(SignIn::Password { password, sign_in_as });
        };
        token.map(SignIn::Token)
    }

    /// Whose password it is; `None` if it is the mailbox's own.
    fn sign_in_as(&mut self, path: &str, name: &str, imap: &Imap, user: Option<&str>) -> Option<String> {
        if imap.password.is_none() && imap.password_file.is_none() {
            self.fault(path, "belongs to a password; a token says itself whose it is, and user is the mailbox that it opens");
        } else if name.trim().is_empty() {
            self.fault(path, "is empty; write whose password it is, or leave it out if it is that of user");
        } else {
            self.no_control(path, name);
            return (user != Some(name)).then(|| name.to_owned());
        }
        None
    }

    pub(super) fn no_control(&mut self, path: &str, text: &str) {
        if text.chars().any(char::is_control) {
            self.fault(path, "has a line break or another control character in it; write it without");
        }
    }

    fn token_command(&mut self, path: &str, written: &OneOrMany) -> Option<TokenCommand> {
        let (program, arguments) = match texts(Some(written)) {
            [only] if only.contains(char::is_whitespace) => {
                self.fault(
                    path,
                    "is one text with blanks in it, and there is no shell; write a list, such as [\"/usr/bin/token\", \"support\"]",
                );
                return None;
            }
            [program, arguments @ ..] if !program.is_empty() => (program, arguments),
            [] | [_, ..] => {
                self.fault(path, "names no program; write a list, such as [\"/usr/bin/token\", \"support\"]");
                return None;
            }
        };
        if written.0.iter().any(|text| text.contains('\0')) {
            self.fault(path, "has a NUL in it, which no program can be given");
            return None;
        }
        // A bare name is looked for in PATH, which the daemon may have another of.
        let program = if program.contains('/') {
            let file = self.path(program);
            if !file.is_file() {
                self.fault(path, format!("{} is no file; write the path of a program", file.display()));
            }
            file
        } else {
            PathBuf::from(program)
        };
        Some(TokenCommand { program, arguments: arguments.to_vec() })
    }

    fn oauth(&mut self, path: &str, oauth: &WrittenOAuth) -> Option<OAuth> {
        let key = |key: &str| format!("{path}.{key}");
        let right = "write where tokens are asked for, such as https://login.example/oauth2/token";
        let url = self.required(&key("token_url"), oauth.token_url.as_ref(), right).map(str::to_owned);
        let endpoint = url.and_then(|url| token_url(&url).map_err(|wrong| self.fault(&key("token_url"), wrong)).ok());
        let ca_file = self.ca_file(&key("ca_file"), oauth.ca_file.as_deref());
        let right = "write the name that the provider gave this program";
        let client_id = self.required(&key("client_id"), oauth.client_id.as_ref(), right).map(str::to_owned);
        let client_auth = match oauth.client_auth.as_deref() {
            None | Some("body") => ClientAuth::Body,
            Some("basic") => ClientAuth::Basic,
            Some(word) => {
                self.fault(&key("client_auth"), unknown("way", word, ["body", "basic"]));
                ClientAuth::Body
            }
        };
        let client_secret_file = oauth.client_secret_file.as_ref().map(|file| self.secret_path(file));
        if let Some(file) = &client_secret_file {
            self.secret(&key("client_secret_file"), file);
        } else if client_auth == ClientAuth::Basic {
            self.fault(&key("client_auth"), "is basic, which needs a secret; add client_secret_file");
        }
        let is_refresh = match oauth.grant.as_deref() {
            None | Some("refresh_token") => true,
            Some("client_credentials") => false,
            Some(word) => {
                self.fault(&key("grant"), unknown("grant", word, ["refresh_token", "client_credentials"]));
                return None;
            }
        };
        let grant = if is_refresh {
            let right = "write the file that holds the refresh token, or grant = \"client_credentials\"";
            let file = self.required(&key("refresh_token_file"), oauth.refresh_token_file.as_ref(), right).map(str::to_owned)?;
            let file = self.secret_path(&file);
            self.secret(&key("refresh_token_file"), &file)?;
            Grant::RefreshToken { file }
        } else {
            if oauth.refresh_token_file.is_some() {
                self.fault(&key("refresh_token_file"), "has no use with grant = \"client_credentials\"; leave one of the two out");
            }
            // RFC 6749 section 4.4: only clients that can keep a secret may use it.
            if client_secret_file.is_none() {
                self.fault(&key("client_secret_file"), "is missing; grant = \"client_credentials\" needs it");
            }
            Grant::ClientCredentials
        };
        Some(OAuth {
            endpoint: endpoint?,
            ca_file,
            client_id: client_id?,
            client_secret_file,
            client_auth,
            grant,
            scope: oauth.scope.clone().filter(|scope| !scope.trim().is_empty()),
            kept_dir: self.state_dir.join(KEPT),
        })
    }
}

/// What is wrong with the URL of another system.
pub(super) enum UrlFault {
    Form,
    /// A fragment or a user, which a request does not carry.
    Extra,
    /// Clear text to this other machine.
    Plain(String),
}

/// RFC 6749 section 3.2: an absolute URI, perhaps with a query, without a fragment; TLS is a must.
fn token_url(text: &str) -> Result<TokenUrl, String> {
    absolute_url(text).map_err(|fault| match fault {
        UrlFault::Form => format!("'{text}' is no URL; write one such as https://login.example/oauth2/token"),
        UrlFault::Extra => "has a fragment or a user in it, which a token endpoint has not".to_owned(),
        UrlFault::Plain(host) => format!("is http, but '{host}' is another machine, and secrets go there; write https"),
    })
}

/// An absolute URL to which secrets may go: with TLS, or on this machine.
pub(super) fn absolute_url(text: &str) -> Result<TokenUrl, UrlFault> {
    let uri: Uri = text.parse().map_err(|_| UrlFault::Form)?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(UrlFault::Form) };
    if text.contains('#') || authority.as_str().contains('@') {
        return Err(UrlFault::Extra);
    }
    let https = match scheme {
        "https" => true,
        "http" if is_loopback(authority.host()) => false,
        "http" => return Err(UrlFault::Plain(authority.host().to_owned())),
        _ => return Err(UrlFault::Form),
    };
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = authority.port_u16().unwrap_or(if https { 443 } else { 80 });
    if host.is_empty() || port == 0 || (authority.port().is_none() && authority.as_str().ends_with(':')) {
        return Err(UrlFault::Form);
    }
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    Ok(TokenUrl { https, host, port, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_token_endpoints() {
        #[rustfmt::skip]
        let cases = [
            ("https://login.example/oauth2/token", Some("https://login.example/oauth2/token"), "the usual"),
            ("https://login.example", Some("https://login.example/"), "no path"),
            ("https://login.example:8443/t?api=1", Some("https://login.example:8443/t"), "a port; the query is not for people"),
            ("http://127.0.0.1:8080/t", Some("http://127.0.0.1:8080/t"), "this machine"),
            ("http://[::1]:8080/t", Some("http://[::1]:8080/t"), "this machine, IPv6"),
            ("http://localhost/t", Some("http://localhost/t"), "this machine by name"),
            ("http://login.example/t", None, "secrets in the clear"),
            ("http://localhost.example/t", None, "looks like this machine"),
            ("https://user:secret@login.example/t", None, "a user"),
            ("https://login.example/t#x", None, "a fragment"),
            ("ftp://login.example/t", None, "another scheme"),
            ("login.example/t", None, "no scheme"),
            ("https://login.example:0/t", None, "port 0"),
            ("https://", None, "no host"),
            ("", None, "nothing"),
        ];
        for (text, expected, reason) in cases {
            assert_eq!(token_url(text).ok().map(|url| url.to_string()).as_deref(), expected, "{reason}: {text}");
        }
        assert_eq!(token_url("https://login.example/t?api=1").unwrap().path, "/t?api=1", "the query is sent");
    }
}
