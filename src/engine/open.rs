//! A model opened: its files found, its plan made, its weights packed, its thread started.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use candle_core::Device;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::mpsc;

use super::about::About;
use super::adapter::Adapter;
use super::adapter::folders::Folders;
use super::compute::{Compute, OnCpu};
use super::config::{Architecture, Config};
use super::constraint::{Constraint, Grammars};
use super::decoder::{Decoder, Precision};
use super::device::{self, Place};
use super::error::EngineError;
use super::foreign::{self, Foreign};
use super::kernels::{Cpu, Options};
use super::memory;
use super::plan::{Keeping, Plan};
use super::sample::Settings;
use super::sample::usual::Usual;
use super::schedule::{self, Ask, Load, Requests, Said, Speaking};
use super::template::ChatTemplate;
use super::tensors::{self, OnTensors};
use super::tokenizer::{Stream, Tokenizer};
use super::weights::{Checkpoint, Files};

/// Pieces of a reply that may wait for its reader; beyond them its stream waits, nobody else's.
const WAITING: usize = 64;

/// How a model is opened. Nothing said is as the files say and as the machine has it.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// How weights are kept.
    pub precision: Precision,
    /// Threads.
    pub threads: Option<usize>,
    /// Tokens of cache, of all streams together.
    pub cache_tokens: Option<usize>,
    /// Where it is computed.
    pub place: Place,
    /// Tokens that are guessed ahead at most, from what a stream has (see [`super::lookup`]); 0 guesses none. What is said
    /// is the same.
    pub speculate: usize,
}

/// See [`super`].
pub struct Engine {
    name: String,
    config: Config,
    plan: Plan,
    /// What computes it.
    computed: String,
    tokenizer: Arc<Tokenizer>,
    template: Option<ChatTemplate>,
    ends: Vec<u32>,
    usual: Usual,
    requests: Requests,
    /// Made when the first grammar is asked for.
    grammars: OnceLock<Result<Grammars, String>>,
    /// Packs the weights of adapters; none where tensors compute.
    kernels: Option<Cpu>,
    /// Those that requests may name.
    adapters: RwLock<BTreeMap<String, Arc<Adapter>>>,
    /// Those of attempts, which nobody else can ask for.
    folders: Folders,
}

/// A reply that comes. Dropping it cancels the request.
pub struct Reply {
    pieces: mpsc::Receiver<Said>,
    cancelled: Arc<AtomicBool>,
}

impl Reply {
    /// The next piece; `None` where the engine is gone.
    pub async fn next(&mut self) -> Option<Said> {
        self.pieces.recv().await
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}

impl Engine {
    /// Open a folder of Hugging Face's layout, or a GGUF file. This takes seconds: keep it off threads that must answer.
    ///
    /// # Errors
    /// Whatever makes it impossible, in one sentence, before weights are read where that can be known.
    pub fn open(path: &Path, wishes: &Wishes) -> Result<Self, EngineError> {
        let name = called(path);
        let origin = path.display().to_string();
        let files = Files::open(path)?;
        let checkpoint = files.checkpoint()?;
        let about = match &checkpoint {
            Checkpoint::Gguf(file) => About::of_gguf(file, path, &origin)?,
            Checkpoint::Safetensors(..) => About::of_folder(path)?,
        };
        let About {
            config,
            tokenizer,
            template,
            ends,
            usual,
        } = about;
        if tokenizer.rows() > config.vocab {
            return Err(EngineError::Tokenizer {
                origin,
                why: format!(
                    "its tokenizer needs {} entries, its embedding has only {} rows",
                    tokenizer.rows(),
                    config.vocab
                ),
            });
        }
        let device = wishes.place.open()?;
        let free = device
            .as_ref()
            .map_or_else(memory::free, device::free_memory);
        let precision = wishes.precision;
        let is_foreign = matches!(config.architecture, Architecture::Foreign(_));
        let on_gpu = device.as_ref().is_some_and(|device| !device.is_cpu());
        let as_it_is = precision == Precision::Stored || precision == Precision::F32 && !on_gpu;
        if is_foreign && !as_it_is {
            return Err(EngineError::Config {
                origin,
                why: "candle-transformers computes this architecture, in single precision on a processor and in bfloat16 \
                      on a GPU; --quant and --dtype are for Qwen2, Qwen3 and Llama"
                    .into(),
            });
        }
        let keeping = match &device {
            _ if is_foreign => Keeping::Foreign {
                number: foreign::dtype(device.as_ref().unwrap_or(&Device::Cpu)).size_in_bytes(),
            },
            Some(device) => Keeping::Tensors {
                precision,
                number: tensors::dtype_of(&checkpoint, precision, device).size_in_bytes(),
            },
            None => Keeping::Kernels(precision),
        };
        let plan = Plan::of(&config, &checkpoint, keeping, wishes.cache_tokens, free)?;
        let mut kernels = None;
        let (compute, computed): (Box<dyn Compute>, String) = match (config.architecture, device) {
            (Architecture::Foreign(family), device) => {
                let device = device.unwrap_or(Device::Cpu);
                let json = std::fs::read_to_string(path.join("config.json")).unwrap_or_default();
                let foreign = Foreign::load(family, &config, &json, &checkpoint, &device, &origin)?;
                (
                    Box::new(foreign),
                    format!("candle-transformers on {}", named(&device)),
                )
            }
            (_, Some(device)) => {
                let pages = plan.pages;
                let tensors =
                    OnTensors::load(&config, &checkpoint, precision, &device, pages, &origin)?;
                (Box::new(tensors), format!("candle on {}", named(&device)))
            }
            (_, None) => {
                let mut options = Options::new()?;
                options.threads = wishes.threads.unwrap_or(options.threads);
                options.on_start = Some(Arc::new(|_| below_the_screen()));
                let cpu = Cpu::new(&options)?;
                let tier = cpu.tier().name().to_owned();
                let decoder = Decoder::load(&config, &checkpoint, precision, &cpu, &origin)?;
                kernels = Some(cpu.clone());
                (Box::new(OnCpu::new(decoder, cpu, plan.pages)), tier)
            }
        };
        let requests = schedule::start(compute, plan.pages, wishes.speculate)?;
        Ok(Self {
            name,
            config,
            plan,
            computed,
            tokenizer: Arc::new(tokenizer),
            template,
            ends,
            usual,
            requests,
            grammars: OnceLock::new(),
            kernels,
            adapters: RwLock::default(),
            folders: Folders::default(),
        })
    }

    /// Load an adapter of PEFT's layout under a name, in place of another one of that name. The base stays as it is, and
    /// requests on their way go on with what they began with.
    ///
    /// # Errors
    /// Where it cannot be read, or is none of this model.
    pub fn load_adapter(&self, name: &str, folder: &Path) -> Result<(), EngineError> {
        let adapter = Arc::new(self.opened_adapter(folder)?);
        let mut all = self
            .adapters
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        all.insert(name.to_owned(), adapter);
        Ok(())
    }

    /// The adapter of a folder, which is given by its whole path: without a name that requests could give, the same for all who
    /// hold it, read again where its files have changed, and gone with the last who holds it.
    ///
    /// # Errors
    /// Where it cannot be read, or is none of this model.
    pub fn adapter_of(&self, folder: &Path) -> Result<Arc<Adapter>, EngineError> {
        self.folders.adapter(folder, || self.opened_adapter(folder))
    }

    fn opened_adapter(&self, folder: &Path) -> Result<Adapter, EngineError> {
        let Some(cpu) = &self.kernels else {
            let way_out = match self.config.architecture {
                Architecture::Foreign(_) => "merge the adapter into the model with PEFT",
                _ => "open it with --device cpu",
            };
            return Err(EngineError::Device(format!(
                "adapters are applied by the processor's kernels only, and {} is computed by {}: {way_out}",
                self.name, self.computed
            )));
        };
        Adapter::open(folder, &self.config, cpu)
    }

    /// Forget an adapter; false where there is none of that name. Requests on their way go on with it.
    pub fn unload_adapter(&self, name: &str) -> bool {
        let mut all = self
            .adapters
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        all.remove(name).is_some()
    }

    /// An adapter by the name that it was loaded under.
    #[must_use]
    pub fn adapter(&self, name: &str) -> Option<Arc<Adapter>> {
        let all = self.adapters.read().unwrap_or_else(PoisonError::into_inner);
        all.get(name).cloned()
    }

    /// The names that adapters were loaded under, in order.
    #[must_use]
    pub fn adapters(&self) -> Vec<String> {
        let all = self.adapters.read().unwrap_or_else(PoisonError::into_inner);
        all.keys().cloned().collect()
    }

    /// Its folder's or file's name; of a repository in the hub's cache the repository's.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Longest context of one stream.
    #[must_use]
    pub fn context(&self) -> usize {
        self.config
            .longest()
            .min(self.plan.pages as usize * super::prefix::PAGE)
    }

    /// How it is drawn from where nobody says.
    #[must_use]
    pub fn usual(&self) -> Usual {
        self.usual
    }

    /// Its memory, and the instructions it computes with, in a sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!("{}; computed with {}", self.plan.sentence(), self.computed)
    }

    /// What it is doing.
    pub async fn load(&self) -> Load {
        self.requests.load().await
    }

    /// The same, and each stream.
    pub async fn look(&self) -> (Load, Vec<Speaking>) {
        self.requests.look().await
    }

    /// A conversation as tokens, the assistant's turn begun. Messages and tools are as the OpenAI protocol has them; the
    /// template may read `variables` besides.
    ///
    /// # Errors
    /// Where the template refuses it, or there is none.
    pub fn prompt(
        &self,
        messages: &impl Serialize,
        tools: Option<&impl Serialize>,
        variables: &serde_json::Map<String, Value>,
    ) -> Result<Vec<u32>, EngineError> {
        let Some(template) = &self.template else {
            return Err(EngineError::Template(format!(
                "{} has none: it is no model for conversations, or its chat_template is missing",
                self.name
            )));
        };
        self.tokenizer
            .encode(&template.render_with(messages, tools, true, variables)?)
    }

    /// A grammar that a reply is held to, in llguidance's Lark form. The first one of an engine takes a moment.
    ///
    /// # Errors
    /// Where it cannot be read, or the vocabulary is not of byte-level kind.
    pub fn constraint(&self, grammar: &str) -> Result<Constraint, EngineError> {
        let made = self.grammars.get_or_init(|| {
            let end = self.ends.first().copied().unwrap_or_default();
            Grammars::new(&self.tokenizer, self.config.vocab, end)
                .map_err(|error| error.to_string())
        });
        match made {
            Ok(grammars) => grammars.constraint(grammar),
            Err(why) => Err(EngineError::Grammar(why.clone())),
        }
    }

    /// Whether the source of the model's template has a text.
    #[must_use]
    pub fn template_mentions(&self, text: &str) -> bool {
        let template = self.template.as_ref();
        template.is_some_and(|template| template.mentions(text))
    }

    /// Ask for a reply of at most so many tokens, with an adapter or the model as it is, held to a grammar or free.
    ///
    /// # Errors
    /// Where the engine is gone.
    pub fn ask(
        &self,
        prompt: Vec<u32>,
        settings: Settings,
        adapter: Option<Arc<Adapter>>,
        constraint: Option<Constraint>,
        most: usize,
    ) -> Result<Reply, EngineError> {
        let (reply, pieces) = mpsc::channel(WAITING);
        let cancelled = Arc::new(AtomicBool::new(false));
        self.requests.ask(Ask {
            prompt,
            settings,
            adapter,
            constraint,
            most,
            ends: self.ends.clone(),
            reply,
            cancelled: Arc::clone(&cancelled),
        })?;
        Ok(Reply { pieces, cancelled })
    }

    /// Text as tokens come: of a message, or of one that goes on with another text.
    #[must_use]
    pub fn text(&self, goes_on: bool) -> Stream {
        if goes_on {
            self.tokenizer.stream_inside()
        } else {
            self.tokenizer.stream()
        }
    }

    /// A text as tokens, without a template; special tokens in it are themselves. `framed`: with what the model's tokenizer
    /// puts around texts.
    ///
    /// # Errors
    /// What the tokenizer says.
    pub fn encoded(&self, text: &str, framed: bool) -> Result<Vec<u32>, EngineError> {
        if framed {
            self.tokenizer.encode_framed(text)
        } else {
            self.tokenizer.encode(text)
        }
    }

    /// The text of tokens.
    #[must_use]
    pub fn decoded(&self, tokens: &[u32]) -> String {
        self.tokenizer.decode(tokens)
    }

    /// How many tokens there are.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.config.vocab
    }

    /// The text of tokens that stand in the middle of a text.
    #[must_use]
    pub fn decoded_inside(&self, tokens: &[u32]) -> String {
        self.tokenizer.decode_inside(tokens)
    }
}

fn named(device: &Device) -> &'static str {
    match device {
        Device::Cpu => "the processor",
        Device::Cuda(_) => "an NVIDIA GPU",
        Device::Metal(_) => "an Apple GPU",
    }
}

/// What a model is called after where it lies. A file goes without its ending, a folder's name has none (`Qwen2.5-0.5B`). In the hub's
/// cache a folder is called by its commit, which says nothing to anybody: its repository stands two folders above.
fn called(path: &Path) -> String {
    let end = |path: &Path| {
        path.file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    if path.is_file() {
        let stem = path.file_stem().map(|name| name.to_string_lossy());
        return stem.map(std::borrow::Cow::into_owned).unwrap_or_default();
    }
    let snapshots = path.parent().filter(|folder| folder.ends_with("snapshots"));
    let repository = snapshots.and_then(Path::parent).and_then(end);
    let repository =
        repository.and_then(|name| Some(name.strip_prefix("models--")?.replace("--", "/")));
    repository.or_else(|| end(path)).unwrap_or_default()
}

/// Lower the priority of this thread: whoever looks at a screen comes first.
pub(super) fn below_the_screen() {
    // Without leave to do so it runs as it is.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(5);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_called_by_its_file_folder_or_repository() {
        let root = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let path = root.path().join(name);
            std::fs::create_dir_all(&path).unwrap();
            path
        };
        assert_eq!(called(&folder("Qwen2.5-Coder-0.5B")), "Qwen2.5-Coder-0.5B");
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let snapshot = folder(&format!("models--Qwen--Qwen2.5-0.5B/snapshots/{commit}"));
        assert_eq!(called(&snapshot), "Qwen/Qwen2.5-0.5B");
        assert_eq!(called(&folder("own/snapshots/first")), "first");
        let file = snapshot.join("qwen2.5-0.5b-q8_0.gguf");
        std::fs::write(&file, "GGUF").unwrap();
        assert_eq!(called(&file), "qwen2.5-0.5b-q8_0");
    }
}
