//! Which files of a dataset are the rows of a split.
//!
//! Datasets name their files by convention: `data/train-00000-of-00002.parquet`, `train.parquet`,
//! `default/train/0000.parquet`. Parquet is preferred; JSONL and JSON of the same names serve where there is none.

use std::collections::BTreeMap;

use super::{HubError, Repo};

/// The files of a split, in order; of the only split where none is named.
///
/// # Errors
/// Where there is no such split, or several to choose from.
pub fn choose(repo: &Repo, files: &[String], split: Option<&str>) -> Result<Vec<String>, HubError> {
    for extension in [".parquet", ".jsonl", ".json"] {
        let splits = by_split(files, extension);
        if !splits.is_empty() {
            return one(repo, splits, split);
        }
    }
    Err(HubError::Unclear(format!(
        "{repo} has no Parquet or JSONL files at this revision; try `@refs/convert/parquet`"
    )))
}

/// Files by (split, folder).
type Splits = BTreeMap<String, BTreeMap<String, Vec<String>>>;

fn by_split(files: &[String], extension: &str) -> Splits {
    let mut splits = Splits::new();
    for file in files {
        let Some(stem) = file.strip_suffix(extension) else {
            continue;
        };
        let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
        let (folder, split) = match shard_of(name) {
            Some(split) => (folder, split),
            // `default/train/0000.parquet`: the folder is the split.
            None if name.bytes().all(|b| b.is_ascii_digit()) => {
                folder.rsplit_once('/').unwrap_or(("", folder))
            }
            None => (folder, name),
        };
        if extension == ".json"
            && matches!(split, "dataset_infos" | "dataset_dict" | "state" | "config")
        {
            continue;
        }
        splits
            .entry(split.to_owned())
            .or_default()
            .entry(folder.to_owned())
            .or_default()
            .push(file.clone());
    }
    splits
}

/// `train` of `train-00000-of-00002` (some have a hash behind it).
fn shard_of(name: &str) -> Option<&str> {
    let digits = |text: &str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
    let (before, after) = name.split_once("-of-")?;
    let (split, number) = before.rsplit_once('-')?;
    let total = after.split('-').next()?;
    (digits(number) && digits(total)).then_some(split)
}

fn one(repo: &Repo, mut splits: Splits, wanted: Option<&str>) -> Result<Vec<String>, HubError> {
    let known = splits.keys().cloned().collect::<Vec<_>>().join(", ");
    let name = match wanted {
        Some(name) => name.to_owned(),
        None if splits.len() == 1 => known.clone(),
        None => {
            return Err(HubError::Unclear(format!(
                "{repo} has several splits ({known}); name one, as in `{}:{}`",
                repo.id,
                splits.keys().next().map_or("", String::as_str)
            )));
        }
    };
    let Some(mut folders) = splits.remove(&name) else {
        return Err(HubError::Unclear(format!(
            "{repo} has no split `{name}`; it has: {known}"
        )));
    };
    let preferred = ["data", "", "default"]
        .iter()
        .find_map(|folder| folders.remove(*folder));
    let mut files = match (preferred, folders.len()) {
        (Some(files), _) => files,
        (None, 1) => folders.into_values().next().unwrap_or_default(),
        (None, _) => {
            let folders = folders.into_keys().collect::<Vec<_>>().join(", ");
            return Err(HubError::Unclear(format!(
                "{repo} has split `{name}` in several configurations ({folders}); download the one you mean and give its folder"
            )));
        }
    };
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(files: &[&str], split: Option<&str>) -> Result<Vec<String>, String> {
        let files: Vec<String> = files.iter().map(|f| (*f).to_owned()).collect();
        choose(&Repo::dataset("o/n"), &files, split).map_err(|error| error.to_string())
    }

    #[test]
    fn the_shards_of_the_only_split_come_in_order() {
        let files = [
            "README.md",
            "data/train-00001-of-00002.parquet",
            "data/train-00000-of-00002.parquet",
            "rows.jsonl",
        ];
        let expected = [
            "data/train-00000-of-00002.parquet",
            "data/train-00001-of-00002.parquet",
        ];
        assert_eq!(chosen(&files, None).unwrap(), expected);
        assert_eq!(chosen(&files, Some("train")).unwrap(), expected);
    }

    #[test]
    fn every_convention_of_naming_is_known() {
        assert_eq!(
            chosen(&["default/train/0000.parquet"], Some("train"))
                .unwrap()
                .len(),
            1
        );
        assert_eq!(
            chosen(
                &["data/train.raw-00000-of-00001.parquet"],
                Some("train.raw")
            )
            .unwrap()
            .len(),
            1
        );
        assert_eq!(
            chosen(&["test.jsonl"], Some("test")).unwrap(),
            ["test.jsonl"]
        );
        assert_eq!(
            chosen(&["data/test-00000-of-00001-a1b2.parquet"], None)
                .unwrap()
                .len(),
            1
        );
    }

    #[test]
    fn what_is_not_clear_is_an_error_that_lists_the_choices() {
        let two = [
            "data/dev-00000-of-00001.parquet",
            "data/test-00000-of-00001.parquet",
        ];
        assert!(
            chosen(&two, None)
                .unwrap_err()
                .contains("several splits (dev, test); name one, as in `o/n:dev`")
        );
        assert!(
            chosen(&two, Some("train"))
                .unwrap_err()
                .contains("no split `train`; it has: dev, test")
        );
        assert!(
            chosen(&["a/x.parquet", "b/x.parquet"], None)
                .unwrap_err()
                .contains("(a, b)")
        );
        assert!(
            chosen(&["README.md"], None)
                .unwrap_err()
                .contains("no Parquet")
        );
    }
}
