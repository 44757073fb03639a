//! A headless Chromium, driven over its DevTools protocol. It is what a visitor has: it renders the page, runs its
//! script and holds to its content policy.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "each test binary takes its part of this, and fails as it does"
)]

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// A machine at work takes its time to start a browser.
const START_TIME_MAX: Duration = Duration::from_mins(1);
const ANSWER_TIME_MAX: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// One browser with one page. Dropping it ends the process.
pub struct Browser {
    child: Child,
    devtools: WebSocketStream<TcpStream>,
    /// Of the page, within the one connection.
    session: String,
    calls: u64,
    complaints: Vec<String>,
    _profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one whose visitor reads this language, such as `pt-BR`.
    pub async fn start(language: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new("chromium")
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"])
            .args([
                "--remote-debugging-port=0",
                &format!("--accept-lang={language}"),
                &format!("--user-data-dir={}", profile.path().display()),
            ])
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("chromium is installed");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = timeout(START_TIME_MAX, async {
            loop {
                let line = lines.next_line().await.unwrap().expect("the browser ended at its start");
                if let Some(url) = line.strip_prefix("DevTools listening on ") {
                    return url.trim().to_owned();
                }
            }
        });
        let url = url.await.expect("the browser says where its DevTools listen");
        // What it says from now on is of no interest, but somebody must take it.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });

        let address = url.strip_prefix("ws://").and_then(|rest| rest.split('/').next()).unwrap();
        let socket = TcpStream::connect(address).await.unwrap();
        let config = WebSocketConfig::default().max_message_size(None).max_frame_size(None);
        let (devtools, _) = client_async_with_config(&url, socket, Some(config)).await.unwrap();
        let mut browser = Self { child, devtools, session: String::new(), calls: 0, complaints: Vec::new(), _profile: profile };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"})).await["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({"targetId": target, "flatten": true})).await;
        attached["sessionId"].as_str().unwrap().clone_into(&mut browser.session);
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({})).await;
        }
        browser
    }

    /// Opens a page and waits until it is loaded.
    pub async fn open(&mut self, url: &str) {
        let answer = self.call("Page.navigate", json!({"url": url})).await;
        assert!(answer["errorText"].is_null(), "{url}: {answer}");
        self.wait_for(&format!("document.readyState === 'complete' && location.href.startsWith({})", json!(url))).await;
    }

    /// Loads the page anew, as the visitor's key does.
    pub async fn reload(&mut self) {
        self.evaluate("window.beforeReload = true").await;
        self.call("Page.reload", json!({})).await;
        self.wait_for("document.readyState === 'complete' && !window.beforeReload").await;
    }

    /// The value of an expression (a promise's, when it is kept).
    pub async fn evaluate(&mut self, expression: &str) -> Value {
        match self.try_evaluate(expression).await {
            Ok(value) => value,
            Err(fault) => panic!("{expression}: {fault}"),
        }
    }

    /// Waits until an expression is true. While a page is being loaded it may have no answer.
    pub async fn wait_for(&mut self, condition: &str) {
        let mut last = Value::Null;
        let met = timeout(ANSWER_TIME_MAX, async {
            loop {
                match self.try_evaluate(condition).await {
                    Ok(Value::Bool(true)) => return,
                    Ok(value) => last = value,
                    Err(fault) => last = json!(fault),
                }
                sleep(LOOK_AGAIN).await;
            }
        });
        if met.await.is_err() {
            let text = self.evaluate("document.body.innerText").await;
            panic!("{condition} did not come true (last: {last}); complaints: {:?}; the page shows:\n{text}", self.complaints);
        }
    }

    /// Types a text where the focus is.
    pub async fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text})).await;
    }

    /// Presses and lets go one key, such as `Enter` or `Tab`.
    pub async fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Tab" => (9, ""),
            "Escape" => (27, ""),
            other => panic!("the key {other} is not known here"),
        };
        let base = json!({"key": key, "code": key, "windowsVirtualKeyCode": code});
        let mut down = base.clone();
        down["type"] = if text.is_empty() { json!("rawKeyDown") } else { json!("keyDown") };
        down["text"] = json!(text);
        self.call("Input.dispatchKeyEvent", down).await;
        let mut up = base;
        up["type"] = json!("keyUp");
        self.call("Input.dispatchKeyEvent", up).await;
    }

    /// The window's size in CSS pixels, and whether the visitor likes it dark.
    pub async fn look(&mut self, width: u32, height: u32, dark: bool) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.call("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = if dark { "dark" } else { "light" };
        self.call("Emulation.setEmulatedMedia", json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]})).await;
    }

    /// Cuts the page off from the network, or puts it back.
    pub async fn offline(&mut self, offline: bool) {
        self.call("Network.enable", json!({})).await;
        let conditions = json!({"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1});
        self.call("Network.emulateNetworkConditions", conditions).await;
    }

    /// A picture of what is seen, as PNG.
    pub async fn screenshot(&mut self, path: &Path) {
        let answer = self.call("Page.captureScreenshot", json!({"format": "png"})).await;
        let png = data_encoding::BASE64.decode(answer["data"].as_str().unwrap().as_bytes()).unwrap();
        std::fs::write(path, png).unwrap();
    }

    /// What the page complained of since the last time: uncaught errors, refused content, failed loads.
    pub fn complaints(&mut self) -> Vec<String> {
        std::mem::take(&mut self.complaints)
    }

    /// Ends the browser and waits until it has.
    pub async fn close(mut self) {
        self.child.kill().await.unwrap();
    }

    async fn try_evaluate(&mut self, expression: &str) -> Result<Value, String> {
        let question = json!({"expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true});
        let answer = self.try_call("Runtime.evaluate", question).await?;
        if answer["exceptionDetails"].is_null() {
            Ok(answer["result"]["value"].clone())
        } else {
            Err(answer["exceptionDetails"].to_string())
        }
    }

    async fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.try_call(method, parameters).await.unwrap_or_else(|fault| panic!("{method}: {fault}"))
    }

    async fn try_call(&mut self, method: &str, parameters: Value) -> Result<Value, String> {
        self.calls += 1;
        let id = self.calls;
        let mut call = json!({"id": id, "method": method, "params": parameters});
        if !self.session.is_empty() {
            call["sessionId"] = json!(self.session);
        }
        self.devtools.send(Message::text(call.to_string())).await.unwrap();
        loop {
            let message = timeout(ANSWER_TIME_MAX, self.devtools.next()).await.expect("the browser answers");
            let Message::Text(text) = message.expect("the browser is still there").unwrap() else { continue };
            let mut frame: Value = serde_json::from_str(text.as_str()).unwrap();
            if frame["id"] == id {
                return if frame["error"].is_null() { Ok(frame["result"].take()) } else { Err(frame["error"].to_string()) };
            }
            match frame["method"].as_str() {
                Some("Runtime.exceptionThrown") => self.complaints.push(frame["params"]["exceptionDetails"].to_string()),
                Some("Log.entryAdded") => self.complaints.push(frame["params"]["entry"].to_string()),
                Some(_) | None => {}
            }
        }
    }
}
