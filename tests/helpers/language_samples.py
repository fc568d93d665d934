"""The same little talk about a well, made up for the tests, in every language that can be told."""

from __future__ import annotations

from typing import Final

# fmt: off
TALKS: Final[dict[str, str]] = {
    "en": "So I asked him who had dug the well, and he said that it was his aunt. She did not have a rope, and they "
          "were all in the field with her. What would you have done if it had been dry? I think we would just go "
          "home.",
    "de": "Ich habe ihn gefragt, wer den Brunnen gegraben hat, und er hat gesagt, dass es seine Tante war. Sie "
          "hatte kein Seil, und alle waren mit ihr auf dem Feld. Was macht man, wenn er trocken ist? Wir gehen dann "
          "nach Hause.",
    "fr": "Je lui ai demandé qui avait creusé le puits, et il m'a dit que c'était sa tante. Elle n'avait pas de "
          "corde, et ils étaient tous avec elle dans le champ. Qu'est-ce que vous faites si l'eau ne vient pas ? On "
          "rentre à la maison.",
    "es": "Le pregunté quién había cavado el pozo y me dijo que fue su tía. Ella no tenía una cuerda, y todos "
          "estaban con ella en el campo. ¿Qué se hace cuando no hay agua? Pues yo creo que nos vamos a la casa, "
          "como siempre.",
    "it": "Gli ho chiesto chi ha scavato il pozzo e lui mi ha detto che è stata la zia. Non c'era una corda, e "
          "tutti erano con lei nel campo. Che cosa si fa quando non c'è più acqua? Io dico che allora si va a casa "
          "con gli altri.",
    "pt": "Eu perguntei quem cavou o poço e ele disse que foi a tia dele. Ela não tinha uma corda, e todos estavam "
          "com ela no campo. O que é que a gente faz quando não há água? Eu acho que então vamos para casa com os "
          "outros.",
    "nl": "Ik heb hem gevraagd wie de put heeft gegraven, en hij zei dat het zijn tante was. Zij had geen touw, en "
          "ze waren allemaal met haar op het veld. Wat doe je als er geen water is? Dan gaan we maar naar huis, "
          "denk ik.",
    "sv": "Jag frågade honom vem som grävde brunnen, och han sa att det var hans moster. Hon hade inte ett rep, och "
          "alla var med henne på åkern. Vad gör man om det inte finns vatten? Då går vi väl hem, och det är bra.",
    "da": "Jeg spurgte ham, hvem der gravede brønden, og han sagde, at det var hans moster. Hun havde ikke et reb, "
          "og alle var med hende på marken. Hvad gør man, når der ikke er vand? Så går vi jo bare hjem, og det er "
          "fint.",
    "no": "Jeg spurte ham hvem som gravde brønnen, og han sa at det var tanten hans. Hun hadde ikke noe tau, og "
          "alle var med henne på jordet. Hva gjør man når det ikke er vann? Da går vi bare hjem, og det er jo fint.",
    "fi": "Kysyin häneltä, kuka on kaivanut kaivon, ja hän sanoi, että se oli täti. Ei hän ollut siellä yksin, kun "
          "kaikki ne olivat myös pellolla. Mitä me sitten teemme, jos vettä ei ole? No kyllä me vain menemme "
          "kotiin, kuin niin on.",
    "pl": "Zapytałem go, kto wykopał tę studnię, a on powiedział, że to była jego ciotka. Nie było liny, i wszyscy "
          "byli z nią na polu. Co się robi, jak nie ma wody? No to ja już nie wiem, ale chyba tak po prostu do "
          "domu.",
    "cs": "Zeptal jsem se ho, kdo tu studnu vykopal, a on řekl, že to byla jeho teta. Ale ona ne a ne kopat, když "
          "je sucho, a všichni byli na poli s ní. Co se dělá, když už není voda? No tak to se jde domů, protože je "
          "to tak.",
    "tr": "Ona kuyuyu kim kazdı diye sordum, o da bana teyzem dedi. Ama ip yok, ve hiç su da yok, ne olur bu kadar "
          "iş için? Sonra hem o hem de biz eve gittik, çok iyi oldu. Bu böyle bir şey işte, değil mi, her zaman "
          "gibi.",
    "id": "Saya tanya siapa yang gali sumur itu, dan dia bilang itu bibi dia. Tidak ada tali, dan mereka semua ada "
          "di ladang dengan dia. Apa yang kita lakukan kalau tidak ada air? Ya kita pulang saja, karena ini sudah "
          "malam.",
    "ru": "Я спросил его, кто выкопал этот колодец, и он сказал, что это была тётя. У неё не было верёвки, а все "
          "были с ней в поле. Что же делать, если нет воды? Ну вот мы так и пошли домой, потому что уже было темно.",
    "uk": "Я спитав його, хто викопав цей колодязь, а він сказав, що це була тітка. У неї не було мотузки, і всі "
          "були з нею в полі. Що ж робити, якщо немає води? Ну от ми так і пішли додому, тому що вже було темно.",
    "el": "Τον ρώτησα ποιος έσκαψε το πηγάδι, και μου είπε ότι ήταν η θεία του. Δεν είχε σχοινί και πήγαμε όλοι στο "
          "σπίτι.",
    "he": "שאלתי אותו מי חפר את הבאר והוא אמר שזו הייתה הדודה שלו. לא היה לה חבל וכולם הלכו הביתה.",
    "ar": "سألته من حفر البئر فقال إنها عمته. لم يكن معها حبل وكان الجميع معها في الحقل ثم ذهبنا إلى البيت.",
    "hi": "मैंने उससे पूछा कि कुआँ किसने खोदा और उसने कहा कि वह उसकी चाची थी। उसके पास रस्सी नहीं थी।",
    "th": "ผมถามเขาว่าใครขุดบ่อน้ำ เขาบอกว่าป้าของเขา ไม่มีเชือก แล้วทุกคนก็กลับบ้าน",
    "ko": "나는 그에게 누가 우물을 팠는지 물었고 그는 이모라고 말했다. 밧줄이 없어서 모두 집으로 갔다.",
    "ja": "だれが井戸を掘ったのかと聞いたら、おばさんだと言いました。縄がなかったので、みんな家に帰りました。",
    "zh": "我问他是谁挖的井，他说是他的姨妈。她没有绳子，大家都在田里。没有水怎么办呢？我们就回家了。",
}
# fmt: on
"""Code -> the talk. Of languages that are known by their small words, fifty words or so."""
