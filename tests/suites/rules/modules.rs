//! Modules know each other in one direction: among the modules of one parent there are no circles.
//!
//! An arrow goes from a module to its sibling where a file of the one, or of the rooms below it, names the other: by `crate::…`, `super::…`
//! or `self::…`, or by what their parent exports of it. A parent and its children may know each other: they are one room.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::Visit;

use super::{SOURCES, source::Source};

/// A module's place in its crate: `["session", "follow"]`; the crate itself is empty.
type Module = Vec<String>;

/// A crate's shipped modules.
#[derive(Default)]
struct Crate {
    files: BTreeMap<Module, syn::File>,
}

/// The module that a file of `src` is.
fn module_of(path: &str) -> Option<Module> {
    let (_, inside) = path.split_once("/src/")?;
    let mut module: Module = inside.strip_suffix(".rs")?.split('/').map(str::to_owned).collect();
    if module.last().is_some_and(|last| last == "mod") || inside == "lib.rs" || inside == "main.rs" {
        module.pop();
    }
    Some(module)
}

/// The paths that a file names: those of `use`, unfolded, and those in its code.
#[derive(Default)]
struct Paths(Vec<Module>);

impl Paths {
    fn of(file: &syn::File) -> Vec<Module> {
        let mut paths = Paths::default();
        paths.visit_file(file);
        paths.0
    }

    fn unfold(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.unfold(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.0.push(with(&name.ident)),
            syn::UseTree::Rename(rename) => self.0.push(with(&rename.ident)),
            syn::UseTree::Glob(_) => self.0.push(before.to_vec()),
            syn::UseTree::Group(group) => group.items.iter().for_each(|tree| self.unfold(before, tree)),
        }
    }
}

fn is_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if !is_for_tests(&item.attrs) {
            syn::visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        if !is_for_tests(&item.attrs) {
            self.unfold(&[], &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.0.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        syn::visit::visit_path(self, path);
    }
}

impl Crate {
    /// What a module's file exports under another name than its own: the name, and the path behind it.
    fn exports(&self, module: &Module) -> BTreeMap<String, Module> {
        let mut exports = BTreeMap::new();
        for item in self.files.get(module).into_iter().flat_map(|file| &file.items) {
            if let syn::Item::Use(item) = item
                && !matches!(item.vis, syn::Visibility::Inherited)
            {
                let mut paths = Paths::default();
                paths.unfold(&[], &item.tree);
                exports.extend(paths.0.into_iter().filter_map(|path| Some((path.last()?.clone(), path))));
            }
        }
        exports
    }

    /// The module in which a path that `from` names leads, as far as it is one of this crate.
    fn resolve(&self, from: &Module, path: &[String]) -> Option<Module> {
        let (first, mut rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => Module::new(),
            "self" => from.clone(),
            "super" => from[..from.len().checked_sub(1)?].to_vec(),
            // A child or an export of the module's own.
            _ => return None,
        };
        while let Some((name, behind)) = rest.split_first() {
            let child = [&at[..], std::slice::from_ref(name)].concat();
            if name == "super" {
                at.pop()?;
            } else if self.files.contains_key(&child) {
                at = child;
            } else {
                let Some(exported) = self.exports(&at).remove(name) else { return Some(at) };
                let local = matches!(exported[0].as_str(), "crate" | "self" | "super");
                let whole = if local { exported } else { [&["self".to_owned()][..], &exported].concat() };
                return if whole.len() > 1 && whole != path {
                    self.resolve(&at, &whole).or(Some(at))
                } else {
                    Some(at)
                };
            }
            rest = behind;
        }
        Some(at)
    }

    /// Among the modules of each parent: who names whom.
    fn arrows(&self) -> BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> {
        let mut arrows: BTreeMap<Module, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for (from, file) in &self.files {
            for to in Paths::of(file).iter().filter_map(|path| self.resolve(from, path)) {
                let same = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
                if same < from.len() && same < to.len() {
                    let siblings = arrows.entry(from[..same].to_vec()).or_default();
                    siblings.entry(from[same].clone()).or_default().insert(to[same].clone());
                }
            }
        }
        arrows
    }

    /// The circles, each once, as the modules on the way.
    fn circles(&self) -> Vec<String> {
        let mut found = BTreeSet::new();
        for (parent, siblings) in self.arrows() {
            for start in siblings.keys() {
                if let Some(way) = way_back(&siblings, start) {
                    let names = way.iter().collect::<BTreeSet<_>>();
                    let names: Vec<_> = names.into_iter().map(String::as_str).collect();
                    found.insert(format!("{}: {}", parent.join("::"), names.join(", ")));
                }
            }
        }
        found.into_iter().collect()
    }
}

/// The shortest way from `start` to itself.
fn way_back(arrows: &BTreeMap<String, BTreeSet<String>>, start: &String) -> Option<Vec<String>> {
    let mut ways = std::collections::VecDeque::from([vec![start.clone()]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        for next in arrows.get(way.last()?).into_iter().flatten() {
            if next == start {
                return Some(way);
            }
            if seen.insert(next.clone()) {
                ways.push_back([&way[..], std::slice::from_ref(next)].concat());
            }
        }
    }
    None
}

/// The crates of some sources, by folder.
fn crates<'a>(sources: impl IntoIterator<Item = &'a Source>) -> BTreeMap<String, Crate> {
    let mut crates: BTreeMap<String, Crate> = BTreeMap::new();
    for source in sources {
        if let Some(module) = module_of(&source.path).filter(|_| source.is_shipped() || source.folder() == "tests") {
            let file = syn::parse_file(&source.text).unwrap_or_else(|why| panic!("{}: {why}", source.path));
            crates.entry(source.folder().to_owned()).or_default().files.insert(module, file);
        }
    }
    crates
}

fn circles(sources: &[(&str, &str)]) -> Vec<String> {
    let sources: Vec<_> = sources.iter().map(|(path, text)| Source::new(path, text)).collect();
    crates(&sources).values().flat_map(Crate::circles).collect()
}

#[test]
fn modules_know_each_other_in_one_direction() {
    let lib = ("nats/src/lib.rs", "mod a; mod b; mod c; pub use a::A; pub(crate) use self::c::f;");
    let room = |a, b, c| circles(&[lib, ("nats/src/a.rs", a), ("nats/src/b.rs", b), ("nats/src/c/mod.rs", c)]);
    assert_eq!(room("use crate::b::B;", "use super::c::f;", ""), [""; 0]);
    assert_eq!(room("use crate::{b::{B, D}, x};", "fn f() { crate::a::g() }", ""), [": a, b"]);
    assert_eq!(room("use crate::b::B;", "use crate::c;", "impl crate::A {}"), [": a, b, c"]);
    assert_eq!(room("use super::f;", "", "use super::a::*;"), [": a, c"]);
    assert_eq!(room("use super::b;", "#[cfg(test)] mod tests { use crate::a::A; }", ""), [""; 0]);
    let inside = [lib, ("nats/src/c/mod.rs", "mod d; mod e; use d::X;"), ("nats/src/c/d.rs", "use super::Y;")];
    assert_eq!(circles(&inside), [""; 0], "a parent and its child are one room");
    let deep = [("nats/src/c/d.rs", "use super::e::X;"), ("nats/src/c/e/mod.rs", "use super::super::c::d::Y;")];
    assert_eq!(circles(&[&inside[..2], &deep].concat()), ["c: d, e"]);

    let here = crates(SOURCES.iter());
    assert!(here.len() == 8 && here["gateway"].arrows()[&Module::new()].len() > 5, "the rule sees the repository");
    let found = here.iter().flat_map(|(name, modules)| {
        modules.circles().into_iter().map(move |circle| format!("{name}::{circle}")).collect::<Vec<_>>()
    });
    assert_eq!(found.collect::<Vec<_>>(), [""; 0]);
}
