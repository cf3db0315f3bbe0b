"""How the pages look: the colours of the reports, the fonts that the machine has, light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

_HERE = Path(__file__).parent

_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "Liberation Sans", "sans-serif")
_MONO = ("ui-monospace", "Cascadia Mono", "Menlo", "Consolas", "Liberation Mono", "monospace")

_COLOURS = {
    "body_background_fill": ("#faf9f6", "#14181b"),
    "body_text_color": ("#1c2226", "#e8e6e0"),
    "body_text_color_subdued": ("#5a646b", "#a3adb2"),
    "background_fill_primary": ("#ffffff", "#1c2226"),
    "background_fill_secondary": ("#faf9f6", "#14181b"),
    "border_color_primary": ("#dcd9d1", "#333c41"),
    "border_color_accent": ("var(--accent)", "var(--accent-light)"),
    "block_background_fill": ("#ffffff", "#1c2226"),
    "block_border_color": ("#dcd9d1", "#333c41"),
    "block_label_text_color": ("#5a646b", "#a3adb2"),
    "block_title_text_color": ("#1c2226", "#e8e6e0"),
    "block_info_text_color": ("#5a646b", "#a3adb2"),
    "input_background_fill": ("#ffffff", "#14181b"),
    "input_border_color": ("#918d83", "#6d787e"),
    "input_border_color_focus": ("var(--accent)", "var(--accent-light)"),
    "input_placeholder_color": ("#6b747a", "#98a2a7"),
    "button_primary_background_fill": ("var(--accent)", "var(--accent)"),
    "button_primary_background_fill_hover": (
        "color-mix(in srgb, var(--accent) 85%, black)", "color-mix(in srgb, var(--accent) 85%, black)",
    ),
    "button_primary_text_color": ("#ffffff", "#ffffff"),
    "button_primary_border_color": ("transparent", "transparent"),
    "button_primary_border_color_hover": ("transparent", "transparent"),
    "button_secondary_background_fill": ("#f0eee8", "#283036"),
    "button_secondary_background_fill_hover": ("#e5e2da", "#323c43"),
    "button_secondary_text_color": ("#1c2226", "#e8e6e0"),
    "checkbox_background_color_selected": ("var(--accent)", "var(--accent)"),
    "checkbox_border_color_selected": ("var(--accent)", "var(--accent-light)"),
    "checkbox_border_color": ("#918d83", "#6d787e"),
    "checkbox_label_background_fill_selected": ("var(--accent-soft)", "var(--accent-soft)"),
    "color_accent_soft": ("var(--accent-soft)", "var(--accent-soft)"),
    "link_text_color": ("var(--accent)", "var(--accent-light)"),
    "loader_color": ("var(--accent)", "var(--accent-light)"),
    "slider_color": ("var(--accent)", "var(--accent-light)"),
}  # fmt: skip
"""Name -> (light, dark)."""


def theme() -> Any:
    """Of gradio; nothing in it comes from the network."""
    made = gr.themes.Base(
        primary_hue="teal", neutral_hue="stone", radius_size="md", spacing_size="md",
        font=[gr.themes.Font(name) for name in _FONT], font_mono=[gr.themes.Font(name) for name in _MONO],
    )  # fmt: skip
    both = {name: light for name, (light, _) in _COLOURS.items()}
    both |= {f"{name}_dark": dark for name, (_, dark) in _COLOURS.items()}
    return made.set(**both, color_accent="var(--accent)", block_shadow="none", input_border_width="1px")


SPEAK = "language => { luneta.speak(language); return []; }"
FOLD = "language => { luneta.folded(); if (language === 'en') luneta.speak(language); return []; }"
ACTS = "luneta.acts(element, (name, data) => trigger('act', data)); watch('value', () => luneta.shown(element));"
"""What parts of a page do in the browser, with the help of `pages.js`; the word 'act' in it names the event."""


ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -7 34 34"><path fill="#0a676e" '
    'd="M0 8h8v4H0zM9 6.5h10v7H9zM20 4.5l10-3v17l-10-3z"/></svg>'
)
"""A spyglass."""


def head() -> str:
    """What stands in the head of the page: its script, and its styles, which gradio would confine to its container."""
    script, styles = ((_HERE / name).read_text(encoding="utf-8") for name in ("pages.js", "pages.css"))
    meta = '<meta name="color-scheme" content="light dark">'
    return f"{meta}<script>{script}</script><style>{styles}</style>"
