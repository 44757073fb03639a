//! The chat page and the loader that puts it on another site. Plain files, compiled in; nothing comes from elsewhere.

use axum::Router;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use std::sync::Arc;

const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// A file of the page.
#[derive(Clone, Copy)]
struct File {
    path: &'static str,
    media_type: &'static str,
    content: &'static str,
    /// Whether pages of other sites load it.
    shared: bool,
}

const FILES: [File; 5] = [
    File { path: "/chat/", media_type: "text/html; charset=utf-8", content: include_str!("chat.html"), shared: false },
    File { path: "/chat/chat.css", media_type: "text/css; charset=utf-8", content: include_str!("chat.css"), shared: false },
    File { path: "/chat/chat.js", media_type: "text/javascript; charset=utf-8", content: include_str!("chat.js"), shared: false },
    File { path: "/chat/icon.svg", media_type: "image/svg+xml", content: include_str!("icon.svg"), shared: false },
    File { path: "/chat/widget.js", media_type: "text/javascript; charset=utf-8", content: include_str!("widget.js"), shared: true },
];

/// The page may be framed by the sites that may open the chat, and by nobody else.
pub(super) fn router(desk_name: &str, origins: &[String]) -> Router {
    let policy = content_policy(origins);
    let mut router = Router::new().route("/chat", get(|| async { Redirect::temporary("/chat/") }));
    for file in FILES {
        let policy = policy.clone();
        let content: Arc<str> = if file.path == "/chat/" { named(file.content, desk_name) } else { file.content.to_owned() }.into();
        // Changes with the content, so a window asks cheaply and never runs a script that is older than its server.
        let tag = HeaderValue::from_str(&format!("\"{}\"", &blake3::hash(content.as_bytes()).to_hex()[..16]));
        let tag = tag.unwrap_or(HeaderValue::from_static("\"\""));
        router = router
            .route(file.path, get(move |headers: HeaderMap| async move { answer(file, content.to_string(), &policy, &tag, &headers) }));
    }
    router
}

fn answer(file: File, content: String, policy: &HeaderValue, tag: &HeaderValue, asked: &HeaderMap) -> Response {
    let mut response = if asked.get(header::IF_NONE_MATCH) == Some(tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        ([(header::CONTENT_TYPE, file.media_type)], content).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::ETAG, tag.clone());
    headers.insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    if file.shared {
        headers.insert(CORP, HeaderValue::from_static("cross-origin"));
    }
    response
}

fn named(page: &str, desk_name: &str) -> String {
    let mut safe = String::with_capacity(desk_name.len());
    for c in desk_name.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            c => safe.push(c),
        }
    }
    page.replace("{desk}", &safe)
}

/// Nothing inline, nothing from elsewhere. `'self'` covers `ws:` and `wss:` of the same host (CSP level 3 section 6.7.2.8).
fn content_policy(origins: &[String]) -> HeaderValue {
    let mut policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; base-uri 'none'; \
                      form-action 'none'; frame-ancestors 'self'"
        .to_owned();
    // An origin with a semicolon or a space would be another directive; the configuration's check refuses it too.
    for origin in origins.iter().filter(|origin| origin.bytes().all(|b| b.is_ascii_graphic() && b != b';' && b != b',')) {
        policy.push(' ');
        policy.push_str(origin);
    }
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// What every answer has, where the route has not said otherwise.
pub(super) async fn guard(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (CORP, "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_may_be_framed_by_the_configured_sites_only() {
        let policy = content_policy(&["https://www.acme.example".into(), "https://x.example; script-src *".into()]);
        let policy = policy.to_str().unwrap();
        assert!(policy.ends_with("frame-ancestors 'self' https://www.acme.example"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
    }

    #[test]
    fn nothing_inline_and_nothing_from_elsewhere() {
        for file in FILES {
            for word in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "src=\"http", "url(", " style=", " onclick="]
            {
                assert!(!file.content.contains(word), "{} holds {word}", file.path);
            }
        }
        let html = include_str!("chat.html");
        assert_eq!(html.matches("<script").count(), html.matches("<script src=\"").count(), "no inline script");
    }

    #[test]
    fn the_window_has_all_its_words_in_each_language() {
        let script = include_str!("chat.js");
        let words = |language: &str| -> Vec<String> {
            let (_, from) = script.split_once(&format!("\n    {language}: {{\n")).expect(language);
            let block = from.split("\n    },").next().unwrap();
            let marks = block.match_indices(": '").chain(block.match_indices(": (n) =>"));
            let mut names: Vec<String> = marks
                .map(|(at, _)| block[..at].rsplit(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned())
                .filter(|name| !name.is_empty())
                .collect();
            names.sort();
            names
        };
        assert_eq!(words("en").len(), 31, "{:?}", words("en"));
        for language in ["pt", "et", "es", "de", "fr"] {
            assert_eq!(words(language), words("en"), "{language}");
            assert!(include_str!("widget.js").contains(&format!(" {language}: '")), "the button in {language}");
        }
    }
}
