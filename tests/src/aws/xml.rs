//! Just enough XML to read an answer of Amazon's query protocol, change it and write it again.

use quick_xml::{
    Reader,
    escape::{escape, unescape},
    events::Event,
};

/// An element: its name, its attributes as written, and either text (still escaped) or children.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    attributes: String,
    text: String,
    /// What is in it.
    pub children: Vec<Node>,
}

impl Node {
    /// An element with text.
    pub fn new(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), text: escape(text).into_owned(), ..Self::default() }
    }

    /// An element with others in it.
    pub fn with(name: &str, children: Vec<Self>) -> Self {
        Self { name: name.to_owned(), children, ..Self::default() }
    }

    /// Reads a document.
    pub fn parse(text: &str) -> Option<Self> {
        let mut reader = Reader::from_str(text);
        let mut open = vec![Self::default()];
        loop {
            match reader.read_event().ok()? {
                Event::Start(tag) => open.push(Self::open(&tag)?),
                Event::Empty(tag) => open.last_mut()?.children.push(Self::open(&tag)?),
                Event::End(_) => {
                    let mut node = open.pop()?;
                    if !node.children.is_empty() {
                        node.text.clear();
                    }
                    open.last_mut()?.children.push(node);
                }
                Event::Text(text) => open.last_mut()?.text.push_str(std::str::from_utf8(&text).ok()?),
                Event::GeneralRef(name) => {
                    let name = std::str::from_utf8(&name).ok()?.to_owned();
                    open.last_mut()?.text.push_str(&format!("&{name};"));
                }
                Event::Eof => return open.pop()?.children.pop(),
                Event::CData(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
    }

    fn open(tag: &quick_xml::events::BytesStart<'_>) -> Option<Self> {
        let name = std::str::from_utf8(tag.name().as_ref()).ok()?.to_owned();
        let attributes = std::str::from_utf8(tag.attributes_raw()).ok()?.to_owned();
        Some(Self { name, attributes, ..Self::default() })
    }

    /// Writes it.
    pub fn write(&self) -> String {
        let inner: String = self.children.iter().map(Self::write).collect();
        format!("<{name}{}>{}{inner}</{name}>", self.attributes, self.text, name = self.name)
    }

    /// The first child of this name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the child of this name, or nothing.
    pub fn get(&self, name: &str) -> String {
        self.child(name).map(Self::own_text).unwrap_or_default()
    }

    /// Its own text.
    pub fn own_text(&self) -> String {
        unescape(&self.text).map(std::borrow::Cow::into_owned).unwrap_or_default()
    }

    /// Sets the text of the child of this name, which is made if need be.
    pub fn set(&mut self, name: &str, text: &str) {
        self.put(Self::new(name, text));
    }

    /// Puts a child in the place of the one of its name.
    pub fn put(&mut self, child: Self) {
        self.remove(&child.name);
        self.children.push(child);
    }

    /// Removes every child of this name.
    pub fn remove(&mut self, name: &str) {
        self.children.retain(|child| child.name != name);
    }

    /// Every element of this name below, itself included.
    pub fn each(&mut self, name: &str, change: &mut impl FnMut(&mut Self)) {
        if self.name == name {
            change(self);
        }
        for child in &mut self.children {
            child.each(name, change);
        }
    }

    /// The first element of this name below, itself included.
    pub fn find(&self, name: &str) -> Option<&Self> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter().find_map(|child| child.find(name))
    }

    /// The same, to be changed.
    pub fn find_mut(&mut self, name: &str) -> Option<&mut Self> {
        if self.name == name {
            return Some(self);
        }
        self.children.iter_mut().find_map(|child| child.find_mut(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_again() {
        let text = r#"<A xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><B>x &amp; y</B><C><D>1</D><D></D></C></A>"#;
        let mut node = Node::parse(&format!("<?xml version=\"1.0\"?>\n{text}")).unwrap();
        assert_eq!(node.write(), text);
        assert_eq!((node.get("B").as_str(), node.find("D").unwrap().own_text().as_str()), ("x & y", "1"));
        node.set("B", "<z>");
        node.each("D", &mut |d| d.set("E", "2"));
        assert!(node.write().contains("<B>&lt;z&gt;</B>") && node.write().matches("<E>2</E>").count() == 2);
    }
}
