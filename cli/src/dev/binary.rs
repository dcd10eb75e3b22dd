//! Which nats-server `dunlin dev` starts.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

const NAME: &str = "nats-server";
const HOW: &str = "scripts/setup gets one, or: go install github.com/nats-io/nats-server/v2@v2.15.2; \
                   then put it into PATH or name it with --nats-server";

/// The nats-server that was named, else the one of `scripts/setup`, else the one in PATH. Errors: there is none that starts. Whether
/// it is recent enough is seen when it is connected to.
pub(super) fn find(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let here = env::current_dir().ok();
    let program = env::current_exe().ok();
    let path = env::var_os("PATH").unwrap_or_default();
    let found = match named {
        Some(named) => named.to_owned(),
        None => places(here.as_deref(), program.as_deref(), env::split_paths(&path))
            .find(|candidate| candidate.is_file())
            .with_context(|| {
                format!("looking for a nats-server: there is none in .tools/bin and none in PATH; {HOW}")
            })?,
    };
    let version = Command::new(&found)
        .arg("--version")
        .output()
        .with_context(|| format!("starting {}: it is no nats-server that runs here; {HOW}", found.display()))?;
    if !version.status.success() {
        bail!("starting {}: `--version` failed, so it is no nats-server; {HOW}", found.display());
    }
    tracing::info!(path = %found.display(), version = %String::from_utf8_lossy(&version.stdout).trim(), "found a nats-server");
    Ok(found)
}

/// Where one may be, in order: `.tools/bin` in the folders above here and above this program, then PATH.
fn places(
    here: Option<&Path>,
    program: Option<&Path>,
    path: impl Iterator<Item = PathBuf>,
) -> impl Iterator<Item = PathBuf> {
    let above = |from: &Path| from.ancestors().map(|folder| folder.join(".tools/bin")).collect::<Vec<_>>();
    let tools = here.map(above).into_iter().chain(program.map(above)).flatten();
    tools.chain(path).map(|folder| folder.join(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_in_tools_before_path() {
        let found: Vec<_> = places(
            Some(Path::new("/src/dunlin")),
            Some(Path::new("/bin/dunlin")),
            [PathBuf::from("/usr/bin")].into_iter(),
        )
        .collect();
        let meant = [
            "/src/dunlin/.tools/bin",
            "/src/.tools/bin",
            "/.tools/bin",
            "/bin/dunlin/.tools/bin",
            "/bin/.tools/bin",
            "/.tools/bin",
            "/usr/bin",
        ];
        assert_eq!(found, meant.map(|folder| Path::new(folder).join("nats-server")));
    }

    #[test]
    fn what_does_not_run_is_said_with_what_to_do() {
        for path in ["/nowhere/nats-server", "/", "/bin/false"] {
            let error = format!("{:#}", find(Some(Path::new(path))).unwrap_err());
            assert!(error.contains(path) && error.contains("scripts/setup"), "{error}");
        }
    }
}
