//! Where the hub is and where the cache is, from the same variables that the Python client reads.

use std::path::PathBuf;

use super::HubError;
use crate::text::secret::Secret;

/// Settings of a [`super::Hub`].
#[derive(Debug, Clone)]
pub struct Settings {
    /// `https://huggingface.co`, or a mirror.
    pub endpoint: String,
    /// The folder with `datasets--…` and `models--…` in it.
    pub cache: PathBuf,
    /// For private and gated repositories.
    pub token: Option<Secret>,
    /// Never ask the hub.
    pub offline: bool,
}

impl Settings {
    /// From `HF_ENDPOINT`, `HF_HUB_CACHE`, `HF_HOME`, `XDG_CACHE_HOME`, `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HUB_OFFLINE`,
    /// `TRANSFORMERS_OFFLINE`.
    ///
    /// # Errors
    /// Where neither a cache nor a home folder is named.
    pub fn from_env() -> Result<Self, HubError> {
        Self::from_vars(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    fn from_vars(var: impl Fn(&str) -> Option<String>) -> Result<Self, HubError> {
        let own = var("HOME").or_else(|| var("USERPROFILE"));
        // A shell writes out `~` only at the beginning of a word: files of settings and `env` bring it as it is.
        let path = |text: String| match (text.strip_prefix('~'), &own) {
            (Some(""), Some(own)) => PathBuf::from(own),
            (Some(rest), Some(own)) if rest.starts_with('/') => {
                PathBuf::from(own).join(rest.trim_start_matches('/'))
            }
            _ => PathBuf::from(text),
        };
        let cache_home = || match (var("XDG_CACHE_HOME"), &own) {
            (Some(xdg), _) => Some(path(xdg)),
            (None, Some(own)) => Some(PathBuf::from(own).join(".cache")),
            (None, None) => None,
        };
        let home = var("HF_HOME")
            .map(path)
            .or_else(|| Some(cache_home()?.join("huggingface")));
        let cache = var("HF_HUB_CACHE")
            .or_else(|| var("HUGGINGFACE_HUB_CACHE"))
            .map(path)
            .or_else(|| Some(home.as_ref()?.join("hub")))
            .ok_or(HubError::NoHome)?;
        let token_file = var("HF_TOKEN_PATH")
            .map(path)
            .or_else(|| Some(home?.join("token")));
        let token = var("HF_TOKEN")
            .or_else(|| var("HUGGING_FACE_HUB_TOKEN"))
            .or_else(|| std::fs::read_to_string(token_file?).ok())
            .and_then(|token| Secret::new(&token));
        let endpoint = var("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        let on = |value: String| {
            matches!(
                value.to_ascii_lowercase().as_str(),
                "1" | "true" | "yes" | "on"
            )
        };
        Ok(Self {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            cache,
            token,
            offline: ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"]
                .into_iter()
                .any(|name| var(name).is_some_and(on)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(vars: &[(&str, &str)]) -> Result<Settings, HubError> {
        Settings::from_vars(|name| {
            vars.iter()
                .find(|(key, _)| *key == name)
                .map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_cache_is_where_the_python_client_has_it() {
        let cache = |vars: &[(&str, &str)]| with(vars).unwrap().cache;
        assert_eq!(
            cache(&[("HOME", "/h")]),
            PathBuf::from("/h/.cache/huggingface/hub")
        );
        assert_eq!(
            cache(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]),
            PathBuf::from("/x/huggingface/hub")
        );
        assert_eq!(
            cache(&[("HOME", "/h"), ("HF_HOME", "/f")]),
            PathBuf::from("/f/hub")
        );
        assert_eq!(
            cache(&[("HF_HOME", "/f"), ("HF_HUB_CACHE", "/c")]),
            PathBuf::from("/c")
        );
        assert!(matches!(with(&[]), Err(HubError::NoHome)));
        for (name, value, place) in [
            ("HF_HOME", "~/x", "/h/x/hub"),
            ("HF_HOME", "~", "/h/hub"),
            ("HF_HUB_CACHE", "~/c", "/h/c"),
            ("HUGGINGFACE_HUB_CACHE", "~//c", "/h/c"),
            ("XDG_CACHE_HOME", "~/x", "/h/x/huggingface/hub"),
            ("HF_HOME", "/a/~", "/a/~/hub"),
            ("HF_HOME", "~other/x", "~other/x/hub"),
        ] {
            let found = cache(&[("HOME", "/h"), (name, value)]);
            assert_eq!(found, PathBuf::from(place), "{name}={value}");
        }
    }

    #[test]
    fn a_token_lies_in_the_home_folder_where_its_path_says_so() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("t"), "hf_file").unwrap();
        let own = dir.path().to_str().unwrap();
        let settings = with(&[("HOME", own), ("HF_TOKEN_PATH", "~/t")]).unwrap();
        assert_eq!(settings.token.unwrap().expose(), "hf_file");
    }

    #[test]
    fn either_variable_keeps_it_offline() {
        for (name, value, offline) in [
            ("HF_HUB_OFFLINE", "1", true),
            ("TRANSFORMERS_OFFLINE", "1", true),
            ("TRANSFORMERS_OFFLINE", "0", false),
        ] {
            let settings = with(&[("HOME", "/h"), (name, value)]).unwrap();
            assert_eq!(settings.offline, offline, "{name}={value}");
        }
    }

    #[test]
    fn tokens_come_from_the_variable_or_the_file_and_are_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("token"), "hf_file\n").unwrap();
        let home = dir.path().to_str().unwrap();
        let settings = with(&[("HF_HOME", home)]).unwrap();
        assert_eq!(settings.token.as_ref().unwrap().expose(), "hf_file");
        assert!(!format!("{settings:?}").contains("hf_file"));
        let settings = with(&[
            ("HF_HOME", home),
            ("HF_TOKEN", "hf_var"),
            ("HF_HUB_OFFLINE", "1"),
        ])
        .unwrap();
        assert_eq!(settings.token.unwrap().expose(), "hf_var");
        assert!(settings.offline);
    }
}
