/** The style sheet of the demo's page, over the colours and type of an article's page. Knows the class names of demo-page.ts and demo-card.ts. */
import { pageBase } from '../compose/page-style.js'

export const demoStyle = `${pageBase}
:root{--right:#1d6b34;--wrong:#9c3b24;--raised:#fff}
@media (prefers-color-scheme:dark){:root{--right:#7cc58d;--wrong:#e0876d;--raised:#1e1c19}}
html{scroll-behavior:smooth;scroll-padding-top:1rem}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
.lead:lang(zh),.card:lang(zh),.articles>article:lang(zh),h2 span:lang(zh){font-family:"Songti SC","Noto Serif CJK SC","Source Han Serif SC","Noto Serif SC",SimSun,STSong,serif}
body>header,main>section,.articles,body>footer{width:min(100% - 2.5rem,66rem);margin-inline:auto}
body>header{padding-top:clamp(2rem,6vw,4.5rem)}
a{color:inherit;text-decoration-color:var(--accent);text-underline-offset:.2em}
a:focus-visible,pre:focus-visible{outline:3px solid var(--accent);outline-offset:3px;border-radius:2px}
.kicker{margin:0 0 .7rem;color:var(--accent);font:600 .8rem/1.4 var(--sans);letter-spacing:.12em;text-transform:uppercase}
h1{margin:0 0 1.2rem;font-size:clamp(2.1rem,1.3rem + 3.6vw,3.35rem);font-weight:600;line-height:1.12;letter-spacing:-.012em;text-wrap:balance}
h2{margin:0 0 1rem;font-size:clamp(1.5rem,1.2rem + 1.4vw,2rem);line-height:1.25;font-weight:600;text-wrap:balance}
h2 span:lang(zh){margin-left:.4em;color:var(--soft);font-size:.75em;font-weight:400;white-space:nowrap}
p{margin:0 0 .8em;text-wrap:pretty}
.lead{max-width:40rem}
nav ul{display:flex;flex-wrap:wrap;gap:.4rem 1.6rem;margin:1.6rem 0 0;padding:0;list-style:none;font:500 1rem/1.6 var(--sans)}
main>section,.articles{margin-top:clamp(2.5rem,6vw,4.5rem);padding-top:clamp(1.5rem,4vw,2.5rem);border-top:1px solid var(--line)}
table+.note{margin-top:1.4rem}
.note{max-width:48rem;color:var(--soft);font:400 .9rem/1.6 var(--sans)}
table{width:100%;max-width:48rem;border-collapse:collapse;font:400 .95rem/1.4 var(--sans);font-variant-numeric:tabular-nums}
caption{text-align:left;padding-bottom:.6rem;color:var(--soft)}
th,td{padding:.5rem .6rem .5rem 0;border-bottom:1px solid var(--line);text-align:left;font-weight:400;vertical-align:baseline}
th small{display:block;color:var(--soft);font-size:.85rem}
thead th{color:var(--soft);font-size:.85rem}
td{white-space:nowrap}
tfoot th,tfoot td{font-weight:600;border-bottom:0}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,18.5rem),1fr));gap:1.5rem;margin-top:2rem}
.card{display:flex;flex-direction:column;padding:1.1rem;background:var(--raised);border:1px solid var(--line);border-top:5px solid var(--right);border-radius:6px;overflow-wrap:anywhere}
.card.wrong{border-top:5px dashed var(--wrong)}
.card figure{margin:0 0 .9rem}
.frame{position:relative;background:#fff;border-radius:4px;overflow:hidden}
.frame img{display:block;width:100%;height:auto}
.pixels{image-rendering:pixelated}
.card figcaption{display:flex;align-items:center;justify-content:space-between;gap:.8rem;margin-top:.5rem;color:var(--soft);font:400 .85rem/1.4 var(--sans)}
.card figcaption img{flex:none;background:#fff;border-radius:3px;outline:1px solid var(--line)}
.boxes{position:absolute;inset:0;width:100%;height:100%}
rect.halo,rect.answered,rect.expected{fill:none;vector-effect:non-scaling-stroke}
rect.halo{stroke:#fff;stroke-width:6}
rect.answered{stroke:#c2410c;stroke-width:3}
rect.expected{stroke:#0b5cad;stroke-width:3;stroke-dasharray:7 4}
.legend{display:flex;flex-wrap:wrap;gap:.1rem 1.1rem;margin:-.6rem 0 .9rem;padding:0;list-style:none;color:var(--soft);font:400 .85rem/1.6 var(--sans)}
.legend svg{background:#fff;border-radius:2px;vertical-align:-3px}
.card .task{margin:0 0 .3rem;color:var(--soft);font:400 .85rem/1.4 var(--sans)}
.card h3{margin:0 0 .7rem;font-size:1.25rem;line-height:1.3;font-weight:600}
.verdict{align-self:flex-start;margin:0 0 .7rem;padding:.1rem .65rem;border:2px solid var(--right);border-radius:99px;background:var(--right);color:var(--raised);font:600 .9rem/1.5 var(--sans)}
.wrong .verdict{border-color:var(--wrong);background:none;color:var(--wrong)}
.card dl{margin:0 0 1rem;font-size:1rem;line-height:1.45}
.card dl div{display:grid;grid-template-columns:5.7rem 1fr;gap:.5rem;padding:.2rem 0}
.card dt{color:var(--soft);font:400 .85rem/1.7 var(--sans)}
.card dd{margin:0}
.card h4{margin:auto 0 .4rem;padding-top:.7rem;border-top:1px solid var(--line);color:var(--soft);font:400 .85rem/1.4 var(--sans)}
.card ol{margin:0;padding:0;list-style:none;font-size:1rem;line-height:1.4}
.card li{display:grid;grid-template-columns:1fr auto;gap:.1rem .8rem;padding:.2rem 0}
.legend li{display:block;padding:0}
.mark{color:var(--right);font-weight:700}
.percent{font:400 .9rem/1.55 var(--sans);font-variant-numeric:tabular-nums}
.bar{grid-column:1/-1;display:block;background:var(--line);border-radius:3px}
.bar rect{fill:var(--soft)}
.unseen{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.articles{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:3rem 4rem}
.articles>article{min-width:0}
.written{max-width:var(--measure)}
.written h3{margin:2em 0 .5em;font-size:1.3rem;line-height:1.3}
.written:lang(zh) p{line-height:1.9}
.written figure{display:flex;align-items:flex-end;gap:1.35rem;margin:1.6rem 0;padding:1.1rem 0;border-block:1px solid var(--line)}
.written figure:not(.small){display:block}
.written img{display:block;max-width:100%;height:auto;border:1px solid var(--line);border-radius:3px;background:var(--mat)}
.written .small img{flex:none;max-width:60%;image-rendering:pixelated}
.written figcaption{color:var(--soft);font:400 .9rem/1.5 var(--sans)}
.written .small figcaption{border-left:2px solid var(--accent);padding-left:.85rem}
.credit{display:block;font-size:.8rem}
pre{margin:0 0 1rem;padding:1rem 1.2rem;overflow-x:auto;background:var(--raised);border:1px solid var(--line);border-radius:6px;font:400 .9rem/1.6 ui-monospace,"SF Mono",Menlo,Consolas,"DejaVu Sans Mono",monospace}
body>footer{margin-top:4rem;padding:1.2rem 0 3.5rem;border-top:1px solid var(--line);color:var(--soft);font:400 .85rem/1.6 var(--sans)}
body>footer p{max-width:60rem;margin:0 0 .5em}
@media (max-width:34rem){body{font-size:1.0625rem}body>header,main>section,.articles,body>footer{width:calc(100% - 2rem)}.written figure{flex-direction:column;align-items:flex-start;gap:.8rem}.written .small img{max-width:100%}table{font-size:.85rem}th,td{padding-right:.5rem}}
@media print{:root{--paper:#fff;--raised:#fff;--ink:#000;--soft:#444;--line:#bbb}.card{break-inside:avoid}nav{display:none}}
`
