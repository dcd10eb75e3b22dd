//! What is to be said of where files are kept.

use dunlin_workers::media_settings::MediaSettings;

use super::{Finding, get};

/// What is to be said of the store of files; nothing where none is named.
pub(super) async fn store(settings: &MediaSettings) -> Option<Finding> {
    let what = match (&settings.directory, &settings.s3) {
        (Some(folder), _) => format!("the store of files in {}", folder.display()),
        (None, Some(bucket)) => format!("the store of files at {}, bucket {}", bucket.endpoint, bucket.bucket),
        (None, None) => return None,
    };
    let opened = settings.clone();
    let wrong = match tokio::task::spawn_blocking(move || opened.open_existing()).await {
        Ok(Ok(Some(store))) => match store.probe().await {
            Ok(()) => return Some(Finding::Good(format!("{what} can be read and written"))),
            Err(error) => error.to_string(),
        },
        Ok(Ok(None)) => return None,
        Ok(Err(error)) => error.to_string(),
        Err(error) => error.to_string(),
    };
    Some(Finding::Wrong(
        format!("{what} can't be used: {wrong}"),
        "files are refused until it can; messages go on".to_owned(),
    ))
}

/// Whether a worker still asks its store of files.
pub(super) async fn circuits(worker: &str) -> Finding {
    let what = format!("the worker at {worker}");
    match get(&format!("{worker}/metrics")).await {
        Ok((status, counted)) if status.is_success() => match are_open(&counted) {
            true => Finding::Wrong(
                format!("{what} asks its store of files no more, because it failed again and again"),
                "it is tried again by itself; see the worker's log for what the store says".to_owned(),
            ),
            false => Finding::Good(format!("{what} answers")),
        },
        Ok((status, _)) => Finding::Wrong(format!("{what} answers with {status}"), "see its log".to_owned()),
        Err(error) => Finding::Wrong(format!("{what} does not answer"), format!("{error}; is it started?")),
    }
}

/// Whether what a worker counts says that a circuit breaker is open.
fn are_open(counted: &str) -> bool {
    let of_circuits = counted.lines().filter(|line| line.starts_with("dunlin_media_circuit_open"));
    of_circuits.filter_map(|line| line.rsplit(' ').next()).any(|value| value != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_circuit_is_read_from_what_a_worker_counts() {
        let counted = |second| {
            format!(
                "# TYPE dunlin_media_circuit_open gauge\ndunlin_media_circuit_open{{shard=\"0\"}} 0\ndunlin_media_circuit_open{{shard=\"1\"}} {second}\n# EOF\n"
            )
        };
        assert!(are_open(&counted(1)) && !are_open(&counted(0)) && !are_open(""));
    }

    #[tokio::test]
    async fn a_store_that_is_not_there_is_told_to_the_operator() {
        let temporary = tempfile::tempdir().unwrap();
        let verdict = async |folder| {
            let settings = MediaSettings { directory: folder, ..MediaSettings::default() };
            store(&settings).await.map(|finding| finding.line())
        };
        assert_eq!(verdict(None).await, None);
        let good = verdict(Some(temporary.path().to_owned())).await.unwrap();
        assert!(good.starts_with("ok     the store of files in"), "{good}");
        std::fs::write(temporary.path().join("file"), "").unwrap();
        let wrong = verdict(Some(temporary.path().join("file"))).await.unwrap();
        assert!(wrong.starts_with("WRONG  the store of files in"), "{wrong}");
    }
}
