/**
 * The style sheet of an article's page: one column of readable measure, light and dark, screen and paper. System fonts only,
 * since the page must be one file. Knows the class names of render-html.ts and nothing else.
 */

/** Colours and type, which other pages share. */
export const pageBase = `
:root{color-scheme:light dark;--paper:#fbfaf7;--ink:#1f1d1a;--soft:#6d675e;--line:#ddd7cb;--accent:#9c3b24;--mat:#fff;--measure:35rem;--sans:ui-sans-serif,system-ui,"Helvetica Neue",Arial,"PingFang SC","Noto Sans CJK SC","Microsoft YaHei",sans-serif}
@media (prefers-color-scheme:dark){:root{--paper:#171614;--ink:#e6e1d8;--soft:#9d968a;--line:#38342e;--accent:#e0876d;--mat:#f4f1ea}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:400 1.1875rem/1.62 "Iowan Old Style","Palatino Linotype",Palatino,"Book Antiqua","Source Serif 4",Georgia,"Noto Serif","DejaVu Serif",serif;overflow-wrap:break-word;text-rendering:optimizeLegibility}
body:lang(zh){font-family:"Songti SC","Noto Serif CJK SC","Source Han Serif SC","Noto Serif SC",SimSun,STSong,serif;line-height:1.9}
`

export const pageStyle = `${pageBase}
main,header,footer{width:min(100% - 2.5rem,var(--measure));margin-inline:auto}
header{padding-top:clamp(2.5rem,8vw,5.5rem);margin-bottom:2.5rem}
.kicker{margin:0 0 .9rem;color:var(--accent);font:600 .75rem/1.4 var(--sans);letter-spacing:.14em;text-transform:uppercase}
h1{margin:0;font-size:clamp(2.1rem,1.3rem + 3.6vw,3.35rem);font-weight:600;line-height:1.12;letter-spacing:-.012em;text-wrap:balance}
h1:lang(zh){line-height:1.3;letter-spacing:.01em}
header::after{content:"";display:block;width:3.25rem;height:3px;margin-top:1.6rem;background:var(--accent)}
h2{margin:2.6em 0 .5em;font-size:1.36rem;line-height:1.3;font-weight:600;text-wrap:balance;break-after:avoid}
p{margin:0 0 1.05em;hanging-punctuation:first;text-wrap:pretty;orphans:3;widows:3}
main:lang(zh) p{text-indent:2em;text-align:justify}
main:lang(en)>p.opening::first-letter{float:left;margin:.06em .09em 0 0;color:var(--accent);font-size:3.55em;line-height:.78;font-weight:600}
figure{margin:2.1rem 0 2.3rem;break-inside:avoid}
figure img{display:block;max-width:100%;height:auto;border-radius:3px;background:var(--mat)}
@media (min-width:50rem){figure.wide{margin-inline:-5rem}}
figure.tall img{width:auto;max-height:min(82vh,42rem)}
figure.small{display:flex;align-items:flex-end;gap:1.35rem;padding:1.15rem 0;border-block:1px solid var(--line)}
figure.small img{flex:none;max-width:62%;image-rendering:pixelated;border:1px solid var(--line)}
figcaption{margin-top:.7rem;color:var(--soft);font:400 .875rem/1.5 var(--sans)}
figure.small figcaption{margin:0;border-left:2px solid var(--accent);padding-left:.85rem}
figcaption .credit{display:block;font-size:.78rem}
footer{margin-top:3.5rem;padding:1.2rem 0 3.5rem;border-top:1px solid var(--line);color:var(--soft);font:400 .8125rem/1.6 var(--sans)}
footer p,footer:lang(zh) p{margin:0 0 .4em}
@media (max-width:34rem){body{font-size:1.0625rem}figure.small{flex-direction:column;align-items:flex-start;gap:.8rem}figure.small img{max-width:100%}}
@media print{:root{--paper:#fff;--ink:#000;--soft:#444;--line:#bbb;--accent:#7a2a18;--mat:#fff}@page{margin:22mm 20mm}body{font-size:11pt;line-height:1.5}header{padding-top:0}main,header,footer{width:100%}figure.wide{margin-inline:0}figure:not(.small) img{max-height:120mm;width:auto}}
`
