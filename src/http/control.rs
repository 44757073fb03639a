//! The control socket: how the command line speaks to the running daemon. Who may open the file may do everything, so
//! only its owner may.

use super::HttpLimits;
use axum::Router;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

/// Name of the socket in the state directory.
pub const SOCKET: &str = "control.sock";

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
pub enum ControlFault {
    /// Another daemon answers on it.
    #[error("another daemon is running on this state directory")]
    AlreadyRunning,
    /// Something else has its name.
    #[error("{0} is there but is no socket")]
    NoSocket(PathBuf),
    #[error("failed to open the control socket: {0}")]
    Io(#[from] io::Error),
}

/// An open control socket. Its file goes with it.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    file: RemovedOnDrop,
}

/// Opens the socket. One that nobody answers on was left by a daemon that was killed, and is replaced.
///
/// # Errors
/// [`ControlFault`]; [`ControlFault::AlreadyRunning`] means that this daemon must not start.
pub async fn bind(path: &Path) -> Result<Control, ControlFault> {
    match fs::symlink_metadata(path) {
        Ok(there) if !there.file_type().is_socket() => return Err(ControlFault::NoSocket(path.to_owned())),
        Ok(_) if UnixStream::connect(path).await.is_ok() => return Err(ControlFault::AlreadyRunning),
        Ok(_) => {}
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => {}
        Err(fault) => return Err(fault.into()),
    }
    // A socket is born with the permissions that the umask leaves. So it is born in a directory that only we can
    // enter, and appears under its name when it has the right ones. The name there is the shorter one: a socket's path
    // has 107 octets (unix(7)).
    let nursery = path.with_file_name(".ctl");
    clear(&nursery)?;
    fs::DirBuilder::new().mode(0o700).create(&nursery)?;
    let born = nursery.join("s");
    let opened = UnixListener::bind(&born).and_then(|listener| {
        fs::set_permissions(&born, Permissions::from_mode(0o600))?;
        fs::rename(&born, path)?;
        Ok(listener)
    });
    clear(&nursery)?;
    Ok(Control { listener: opened?, file: RemovedOnDrop(path.to_owned()) })
}

/// Answers until `stop`.
pub async fn serve(control: Control, router: Router, stop: CancellationToken) {
    // Our own user waits here, for answers that may take their time; no stranger to be hurried.
    let limits = HttpLimits { connections_max: 64, life_time_max: Duration::from_hours(1), ..HttpLimits::default() };
    let Control { listener, file } = control;
    super::serve(listener, router, limits, stop).await;
    drop(file);
}

fn clear(nursery: &Path) -> io::Result<()> {
    match fs::remove_dir_all(nursery) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[derive(Debug)]
struct RemovedOnDrop(PathBuf);

impl Drop for RemovedOnDrop {
    fn drop(&mut self) {
        // Left behind it would do no harm: nobody answers on it.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::client::{self, ClientFault};
    use axum::extract::Query;
    use axum::routing::{get, post};
    use std::collections::HashMap;

    fn router() -> Router {
        Router::new()
            .route("/api/v1/echo", get(|Query(q): Query<HashMap<String, String>>| async move { q["x"].clone() }))
            .route("/api/v1/size", post(|body: axum::body::Bytes| async move { body.len().to_string() }))
    }

    #[tokio::test]
    async fn the_command_line_reaches_the_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SOCKET);
        assert!(matches!(client::get(&path, "/").await, Err(ClientFault::NotRunning)), "no file");
        let stop = CancellationToken::new();
        let daemon = tokio::spawn(serve(bind(&path).await.unwrap(), router(), stop.clone()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(client::get(&path, "/api/v1/echo?x=y").await.unwrap(), (200, b"y".to_vec()));
        assert_eq!(client::get(&path, "/nothing").await.unwrap().0, 404);
        assert_eq!(client::post(&path, "/api/v1/size", vec![7; 100_000]).await.unwrap(), (200, b"100000".to_vec()));
        assert!(matches!(bind(&path).await, Err(ControlFault::AlreadyRunning)));
        stop.cancel();
        daemon.await.unwrap();
        assert!(!path.exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left");
    }

    #[tokio::test]
    async fn what_a_killed_daemon_left_is_replaced_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(SOCKET);
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists(), "a killed daemon leaves its socket");
        fs::create_dir(dir.path().join(".ctl")).unwrap();
        fs::write(dir.path().join(".ctl/s"), "").unwrap();
        assert!(matches!(client::get(&path, "/").await, Err(ClientFault::NotRunning)), "nobody answers");
        let control = bind(&path).await.unwrap();
        drop(control);
        fs::write(&path, "a file").unwrap();
        assert!(matches!(bind(&path).await, Err(ControlFault::NoSocket(_))));
        assert_eq!(fs::read(&path).unwrap(), b"a file");
    }
}
