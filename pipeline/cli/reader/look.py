"""How the reader looks: the terminal's own colours, so that light and dark ones both look well.

No background is painted; what is chosen is shown in reverse or underlined, which needs no colour.
So NO_COLOR, which Textual reads, takes nothing away. (In component styles Textual 8 drops reverse.)
"""

from typing import Final

from textual.theme import Theme

from pipeline.veille.states import State

#: Below this many columns the reading pane goes under the list.
WIDE: Final = 110
#: From this many rows on an entry of the list has two lines.
TALL: Final = 30

ACCENT: Final = "cyan"
TROUBLE: Final = "red"
#: Styles of Rich, which calls the terminal's sixteen colours by these names.
STATE_STYLES: Final = {
    State.NEW: "bold",
    State.KEPT: "bold green",
    State.WRITTEN: "green",
    State.PUBLISHED: "green",
    State.DISCARDED: "dim",
}
CITED: Final = "magenta"

THEME: Final = Theme(
    name="infolettre",
    ansi=True,
    primary="ansi_cyan",
    secondary="ansi_cyan",
    warning="ansi_magenta",
    error="ansi_red",
    success="ansi_green",
    accent="ansi_cyan",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    variables={
        "ansi-background": "ansi_default",
        "ansi-foreground": "ansi_default",
        "border": "ansi_cyan",
        "border-blurred": "ansi_bright_black",
        "block-cursor-foreground": "ansi_default",
        "block-cursor-background": "ansi_default",
        "block-cursor-blurred-foreground": "ansi_default",
        "block-cursor-blurred-background": "ansi_default",
        "block-hover-background": "ansi_default",
        "input-selection-background": "ansi_cyan",
        "input-selection-foreground": "ansi_black",
        "screen-selection-background": "ansi_cyan",
        "screen-selection-foreground": "ansi_black",
        "scrollbar": "ansi_bright_black",
        "scrollbar-hover": "ansi_cyan",
        "scrollbar-active": "ansi_cyan",
        "scrollbar-background": "ansi_default",
        "scrollbar-background-hover": "ansi_default",
        "scrollbar-background-active": "ansi_default",
        "scrollbar-corner-color": "ansi_default",
    },
)

CSS: Final = """
* { scrollbar-size: 1 1; }
#header { height: 1; padding: 0 1; }
#said { height: auto; max-height: 4; padding: 0 1; }
#footer { height: 1; padding: 0 1; }
#search { display: none; height: 1; border: none; padding: 0 1; }
#search.-open { display: block; }
#desk { height: 1fr; layout: vertical; }
Listing { height: 1fr; overflow-x: hidden; overflow-y: scroll; }
Listing { border-top: solid ansi_bright_black; }
#pane { height: 1fr; border-top: solid ansi_bright_black; padding: 0 1; scrollbar-gutter: stable; }
#text { max-width: 84; }
.-wide #desk { layout: horizontal; }
.-wide Listing { width: 1fr; height: 100%; }
.-wide #pane {
    width: 1fr; height: 100%; padding: 0 2;
}
Ask { align: center bottom; background: transparent; }
Ask > Vertical {
    width: 76; max-width: 100%; height: auto; max-height: 100%; background: ansi_default;
    border: round ansi_cyan; padding: 0 1;
}
Ask Static.title { text-style: bold; }
Ask Static.hint { text-style: dim; }
Ask Input { border: none; border-bottom: solid ansi_bright_black; height: 2; padding: 0; }
Ask OptionList { border: none; height: auto; max-height: 50vh; padding: 0; }
Ask OptionList > .option-list--option-highlighted {
    color: ansi_cyan; text-style: bold underline;
}
Input > .input--cursor, TextArea > .text-area--cursor {
    background: ansi_cyan; color: ansi_black; text-style: underline;
}
Input > .input--placeholder, Input > .input--suggestion { color: ansi_default; text-style: dim; }
Ask TextArea { border: none; height: 12; max-height: 50vh; padding: 0; }
Ask VerticalScroll { height: auto; max-height: 80vh; }
.-wide Ask, Ask.-middle { align: center middle; }
"""
