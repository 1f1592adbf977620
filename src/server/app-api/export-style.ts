/** The style sheet of an exported conversation, over the colours and type of an article's page. */
import { pageBase } from '../../compose/page-style.js'

export const exportStyle = `${pageBase}
header,main,footer{width:min(100% - 2.5rem,40rem);margin-inline:auto}
header{padding-top:clamp(2rem,7vw,4.5rem);margin-bottom:2.5rem}
h1{margin:0 0 .3rem;font-size:clamp(1.7rem,1.2rem + 2.4vw,2.5rem);line-height:1.2;text-wrap:balance}
header p,footer,h2 span,.note{color:var(--soft);font:400 .875rem/1.5 var(--sans)}
header p{margin:0}
article{padding:1.4rem 0;border-top:1px solid var(--line);break-inside:auto}
h2{margin:0 0 .8rem;color:var(--accent);font:600 .8125rem/1.4 var(--sans);letter-spacing:.04em}
h2 span{margin-left:.4em}
img{display:block;max-width:100%;max-height:30rem;width:auto;height:auto;margin:0 0 1rem;border-radius:6px;background:#fff}
p{margin:0 0 1em}
.said{white-space:pre-wrap}
pre{overflow-x:auto;padding:.9rem 1rem;border:1px solid var(--line);border-radius:6px;font-size:.85em;line-height:1.5}
table{border-collapse:collapse;font-size:.95em}
th,td{padding:.35rem .7rem;border:1px solid var(--line);text-align:left}
blockquote{margin:0 0 1em;padding-left:1rem;border-left:3px solid var(--line);color:var(--soft)}
footer{padding:1.4rem 0 3rem;border-top:1px solid var(--line)}
@media print{@page{margin:20mm}article{border-color:#bbb}img{max-height:110mm}}
`
