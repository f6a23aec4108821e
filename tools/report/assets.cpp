#include "tools/report/assets.hpp"

namespace cuelbo {

const std::string_view report_style = R"css(
:root {
  color-scheme: light dark;
  --page: #fbfbf9; --card: #ffffff; --ink: #1b1d22; --soft: #5d636e; --faint: #8f96a3; --line: #e4e5e2; --grid: #ecedea;
  --accent: #2f62c9; --trace: #b3b9c4;
  --g0: #2f62c9; --g1: #c9691b; --g2: #16876f; --g3: #9b3f96; --g4: #7a7411; --g5: #b03a48;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #15171b; --card: #1c1f25; --ink: #eceef2; --soft: #a5acb9; --faint: #737b89; --line: #2d313a; --grid: #282c34;
    --accent: #7fa8ff; --trace: #5c6473;
    --g0: #7fa8ff; --g1: #f0a05a; --g2: #54c8ab; --g3: #d78ad2; --g4: #cfc65a; --g5: #ec8590;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main, header, footer { max-width: 1120px; margin: 0 auto; padding: 0 28px; }
header { padding-top: 52px; }
h1 { font-size: 2.1rem; line-height: 1.15; letter-spacing: -0.02em; margin: 0 0 10px; font-weight: 680; }
h2 { font-size: 1.25rem; letter-spacing: -0.01em; margin: 0 0 4px; font-weight: 650; }
section { margin-top: 56px; }
section > p, header > p { margin: 0 0 18px; color: var(--soft); max-width: 76ch; text-wrap: pretty; }
header > p { font-size: 1.02rem; margin: 0; }
code, pre { font-family: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; font-size: 0.86em; }
p code { overflow-wrap: anywhere; }
small { font-size: 0.8rem; color: var(--faint); }
sub, sup { line-height: 0; }
.figures {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 1px; margin: 30px 0 10px;
  background: var(--line); border: 1px solid var(--line); border-radius: 12px; overflow: hidden;
}
.figures div { background: var(--card); padding: 16px 18px 14px; }
.figures dt { color: var(--soft); font-size: 0.82rem; }
.figures dd { margin: 2px 0 0; font-size: 1.62rem; font-weight: 620; letter-spacing: -0.02em; line-height: 1.25; }
.figures dd, output, .value, .axis, .y, .x { font-variant-numeric: tabular-nums; }
.figures dd span { font-size: 0.82rem; font-weight: 400; color: var(--faint); letter-spacing: 0; }
.figures small { display: block; line-height: 1.35; margin-top: 2px; }
.caveat { font-size: 0.82rem; color: var(--faint); margin: 0; }
img { display: block; width: 100%; height: auto; border-radius: 3px; box-shadow: 0 0 0 1px var(--line); image-rendering: pixelated; }
.key { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 0.86rem; color: var(--soft); margin: 0 0 14px; }
.key i, .readout i { display: inline-block; vertical-align: middle; margin-right: 6px; }
.key i.swatch, .swatch { width: 10px; height: 10px; border-radius: 3px; background: var(--c); }

.charts { display: grid; grid-template-columns: repeat(3, 1fr); gap: 34px 34px; }
.chart { margin: 0; min-width: 0; }
.chart.wide { grid-column: 1 / -1; }
.chart figcaption { display: grid; grid-template-columns: 1fr auto; column-gap: 10px; align-items: baseline; margin-bottom: 10px; font-size: 0.95rem; }
.chart figcaption b { font-weight: 620; }
.chart figcaption small { grid-column: 1 / -1; }
.readout { display: flex; gap: 12px; font-size: 0.86rem; }
.readout .train { color: var(--soft); } .readout .validation { color: var(--accent); font-weight: 600; }
.train i { width: 12px; height: 2px; background: var(--trace); }
.validation i { width: 7px; height: 7px; border-radius: 50%; background: var(--accent); }
.plot { position: relative; height: 138px; margin: 0 0 24px 42px; border-bottom: 1px solid var(--line); touch-action: pan-y; cursor: crosshair; }
.wide .plot { height: 230px; }
.plot svg { position: absolute; inset: 0; width: 100%; height: 100%; display: block; overflow: hidden; }
.plot path { fill: none; vector-effect: non-scaling-stroke; stroke-linejoin: round; }
path.grid { stroke: var(--grid); stroke-width: 1; }
path.train { stroke: var(--trace); stroke-width: 1.5; }
path.validation { stroke: var(--accent); stroke-width: 1.75; }
path.dots { stroke: var(--accent); stroke-width: 6; stroke-linecap: round; }
.y, .x { position: absolute; font-size: 0.74rem; color: var(--faint); white-space: nowrap; pointer-events: none; line-height: 1; }
.y { right: 100%; padding-right: 8px; transform: translateY(-50%); }
.x { top: 100%; padding-top: 8px; transform: translateX(-50%); }
.x:first-of-type, .y + .x { transform: none; }
.cursor { position: absolute; top: 0; bottom: 0; width: 1px; background: var(--faint); opacity: 0; pointer-events: none; }
.missing { color: var(--faint); font-size: 0.9rem; }

.bars { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 22px 44px; }
.bars h3 { margin: 0 0 8px; font-size: 0.95rem; font-weight: 620; display: flex; align-items: baseline; gap: 8px; }
.bars h3 small { font-weight: 400; margin-left: auto; }
.bar { display: grid; grid-template-columns: 5.4em 1fr 3.4em; align-items: center; gap: 10px; font-size: 0.86rem; line-height: 1.75; }
.bar > span:first-child { color: var(--soft); overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.bar .track { height: 12px; background: var(--grid); border-radius: 3px; overflow: hidden; }
.bar .track i { display: block; height: 100%; background: var(--c); border-radius: 3px; }
.bar .value { text-align: right; }
.bar.off { opacity: 0.55; }

.pairs { display: grid; grid-template-columns: repeat(12, minmax(0, 1fr)); gap: 16px 8px; }
.pairs div { display: grid; gap: 4px; }
.tiles { display: grid; grid-template-columns: repeat(16, minmax(0, 1fr)); gap: 6px; }
.sweep { display: grid; grid-template-columns: 9.5em 1fr; gap: 0 14px; align-items: center; }
.sweep + .sweep { margin-top: 6px; }
.sweep .label { font-size: 0.86rem; line-height: 1.3; display: grid; grid-template-columns: auto 1fr; column-gap: 8px; align-items: baseline; }
.sweep .label small { grid-column: 2; }
.strip { display: grid; grid-template-columns: repeat(var(--steps), minmax(0, 1fr)); gap: 4px; }
.strip.axis { color: var(--faint); font-size: 0.74rem; text-align: center; }
.classes { margin-top: 28px; }
.classes h3 { margin: 0 0 8px; font-size: 0.95rem; font-weight: 620; }

details { border: 1px solid var(--line); border-radius: 12px; background: var(--card); margin-top: 16px; }
summary { cursor: pointer; padding: 12px 18px; font-weight: 600; }
pre { margin: 0; padding: 14px 18px; overflow-x: auto; line-height: 1.5; }
details pre { border-top: 1px solid var(--line); }
pre.commands { border: 1px solid var(--line); border-radius: 12px; background: var(--card); }
footer { margin-top: 56px; padding-top: 18px; padding-bottom: 40px; color: var(--faint); font-size: 0.82rem; }

@media (max-width: 900px) { .charts { grid-template-columns: repeat(2, 1fr); } }
@media (max-width: 600px) {
  main, header, footer { padding-left: 16px; padding-right: 16px; }
  header { padding-top: 28px; }
  h1 { font-size: 1.65rem; }
  section { margin-top: 44px; }
  .figures { grid-template-columns: 1fr 1fr; }
  .figures div:first-child { grid-column: 1 / -1; }
  .charts { grid-template-columns: 1fr; gap: 22px; }
  .wide .plot { height: 180px; }
  .sweep { grid-template-columns: 1fr; gap: 4px; }
  .sweep + .sweep { margin-top: 12px; }
  .sweep .label { grid-template-columns: auto 1fr auto; }
  .sweep .label small { grid-column: 3; }
  .strip { gap: 2px; }
  .strip.axis span:nth-child(even) { visibility: hidden; }
  .pairs { grid-template-columns: repeat(6, minmax(0, 1fr)); gap: 12px 6px; }
  .tiles { grid-template-columns: repeat(8, minmax(0, 1fr)); gap: 5px; }
}
@media print { section, figure, .sweep { break-inside: avoid; } }
)css";

const std::string_view report_script = R"js(
(() => {
  const section = document.querySelector('.charts');
  if (!section) return;
  const number = v => v.toFixed(2).replace('-', '\u2212');
  const charts = [...section.querySelectorAll('.chart')].filter(f => f.querySelector('.plot')).map(figure => {
    const plot = figure.querySelector('.plot');
    const series = ['train', 'validation'].map(name => {
      const output = figure.querySelector(`.readout .${name} output`);
      return {output, points: JSON.parse(plot.dataset[name]), last: output && output.textContent};
    });
    return {plot, series, cursor: plot.querySelector('.cursor'), end: +plot.dataset.end};
  });
  const at = document.querySelector('#at');
  const rest = at.textContent;
  const nearest = (steps, step) => steps.reduce((best, s, i) => Math.abs(s - step) < Math.abs(steps[best] - step) ? i : best, 0);
  function show(step) {
    at.textContent = `at step ${Math.round(step).toLocaleString('en').replaceAll(',', '\u202f')}`;
    for (const {series, cursor, end} of charts) {
      cursor.style.left = `${100 * step / end}%`;
      cursor.style.opacity = 1;
      for (const {output, points: [steps, values]} of series)
        if (output) output.textContent = number(values[nearest(steps, step)]);
    }
  }
  function reset() {
    at.textContent = rest;
    for (const {series, cursor} of charts) {
      cursor.style.opacity = 0;
      for (const {output, last} of series) if (output) output.textContent = last;
    }
  }
  for (const {plot, series, end} of charts) {
    plot.addEventListener('pointermove', event => {
      const box = plot.getBoundingClientRect();
      const step = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * end;
      const [steps] = (series[0].output ? series[0] : series[1]).points;
      show(steps[nearest(steps, step)]);
    });
    plot.addEventListener('pointerleave', reset);
  }
})();
)js";

}  // namespace cuelbo
