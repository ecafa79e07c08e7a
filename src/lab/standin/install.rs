//! A folder to put first in `PATH`: links that make the binary a stand-in, and a kubeconfig.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

use serde_json::json;

/// Name of the only context, cluster and user of the kubeconfig.
pub const CONTEXT: &str = "lab";

/// Why the folder could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {path}: {source}; the lab needs a folder of its own for its kubectl and ssh")]
pub struct InstallError {
    path: PathBuf,
    source: std::io::Error,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installed {
    /// To be put first in `PATH`.
    pub folder: PathBuf,
    /// For `--kubeconfig`. It is JSON, which every reader of YAML reads, and works with a real
    /// kubectl too.
    pub kubeconfig: PathBuf,
}

/// Makes `folder` with the links to `binary` and the way to the lab at `address` (`http://…`).
///
/// `namespace` is where the application runs. The file with the token is readable by its owner alone.
pub fn install(
    folder: &Path,
    binary: &Path,
    address: &str,
    token: &str,
    namespace: &str,
) -> Result<Installed, InstallError> {
    let wrong = |path: &Path| {
        let path = path.to_path_buf();
        move |source| InstallError { path, source }
    };
    fs::create_dir_all(folder).map_err(wrong(folder))?;
    for name in ["kubectl", "ssh"] {
        let link = folder.join(name);
        // A link of an earlier lab may point to an earlier binary.
        if link.is_symlink() {
            fs::remove_file(&link).map_err(wrong(&link))?;
        }
        symlink(binary, &link).map_err(wrong(&link))?;
    }
    let kubeconfig = folder.join("kubeconfig");
    // kubectl sends no token over plain HTTP, so that it is part of the address.
    let server = format!("{}/lab/v1/token/{token}/kube", address.trim_end_matches('/'));
    let text = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": CONTEXT, "cluster": { "server": server } }],
        "users": [{ "name": CONTEXT, "user": {} }],
        "contexts": [{ "name": CONTEXT, "context": { "cluster": CONTEXT, "user": CONTEXT, "namespace": namespace } }],
        "current-context": CONTEXT,
    });
    let mut options = fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&kubeconfig)
        .map_err(wrong(&kubeconfig))?;
    writeln!(file, "{text:#}").map_err(wrong(&kubeconfig))?;
    Ok(Installed { folder: folder.to_path_buf(), kubeconfig })
}
