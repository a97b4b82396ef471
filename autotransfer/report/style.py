"""The style sheet of the report: light and dark, phone and desk, paper."""

STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --ink: #1b1f24; --faint: #b3b9c2;
  --quiet: #5c6570; --panel: #f3f5f7; --blue: #2f7fd1; --line: #d9dee4; --good: #1f7a4d;
  --bad: #b23a2e; --unsure: #8a6410; }
@media (prefers-color-scheme: dark) { :root { --page: #15181c; --ink: #e6e9ed; --faint: #5d6671;
  --quiet: #a3acb7; --panel: #1e2329; --blue: #62a8ee; --line: #333a43; --good: #5fc795;
  --bad: #ef8b7f; --unsure: #d9b25c; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--page); color: var(--ink); line-height: 1.5;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
header, main { max-width: 60rem; margin: 0 auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 1rem 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 0 0 .5rem; }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
p { margin: .5rem 0; overflow-wrap: anywhere; }
a { color: var(--blue); }
nav { display: flex; flex-wrap: wrap; gap: .25rem .75rem; font-size: .9rem; }
section { margin: 1.5rem 0; padding-top: 1rem; border-top: 1px solid var(--line); }
.quiet, figcaption, caption { color: var(--quiet); font-size: .875rem; }
.verdict { font-size: 1.1rem; padding: .75rem 1rem; background: var(--panel);
  border-left: .3rem solid var(--unsure); }
.verdict strong { display: block; text-transform: capitalize; color: var(--unsure); }
.verdict.positive { border-color: var(--good); } .verdict.positive strong { color: var(--good); }
.verdict.negative { border-color: var(--bad); } .verdict.negative strong { color: var(--bad); }
.fault { color: var(--bad); }
.scroll { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-size: .9rem; }
caption { text-align: left; padding-bottom: .25rem; }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { font-weight: 600; vertical-align: bottom; }
tbody th { vertical-align: top; }
.facts th { font-weight: 400; color: var(--quiet); white-space: nowrap; }
.facts td { overflow-wrap: anywhere; max-width: none; }
.wide th, .wide td { white-space: nowrap; max-width: none; }
.told td:nth-last-child(2) { white-space: normal; min-width: 9.5rem; }
td { min-width: 2.5rem; max-width: 22rem; overflow-wrap: break-word; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.matrix td, .matrix th { padding: .3rem .5rem; }
.matrix .wrong { background: color-mix(in srgb, var(--bad) var(--share), transparent); }
.matrix .right { background: color-mix(in srgb, var(--blue) calc(var(--share) * .6),
  transparent); }
.bar { display: inline-block; width: 4.5rem; height: .7rem; background: var(--panel); }
.bar span { display: block; height: 100%; background: var(--blue); }
figure { margin: .75rem 0; }
.plot svg { display: block; width: 100%; max-width: 36rem; height: auto; overflow: visible; }
.plot figcaption { max-width: 36rem; }
.gallery { display: grid; gap: .75rem; align-items: start;
  grid-template-columns: repeat(auto-fill, minmax(7.5rem, 1fr)); }
.card { margin: 0; font-size: .875rem; }
.card img { display: block; max-width: 100%; height: auto; border-radius: .2rem; }
.card figcaption { color: var(--ink); overflow-wrap: anywhere; }
.file { color: var(--quiet); font-size: .75rem; }
details { margin: .5rem 0; } summary { cursor: pointer; color: var(--blue); }
ul { padding-left: 1.2rem; overflow-wrap: anywhere; }
code { overflow-wrap: anywhere; }
@media print { nav { display: none; } section { break-inside: avoid; } }
"""
